"""kazoo 2.8 against one server: every recipe in the calm, then all of them at once while the server dies.

Usage: suite.py HOST:PORT SEED STORM_ROUNDS ONLY, under `run`, which reads the lines starting with @.
"""

import logging
import os
import random
import re
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

from calm import CALM
from sessions import recipes_live_through_a_restart, sessions_of_the_dead_expire_after_a_restart
from storm import Storm
from support import CASE_LIMIT_SECONDS, ONLY, SEED, STORM_ROUNDS, Site, report

logging.basicConfig(level=logging.ERROR, stream=sys.stderr)


def run_case(name, function):
    if not re.search(ONLY, name):
        return
    began, problems, site = time.monotonic(), [], Site(name)

    def work():
        try:
            function(site)
        except BaseException as error:
            problems.append("%s: %s" % (type(error).__name__, error))
            traceback.print_exc()
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(CASE_LIMIT_SECONDS)
    if thread.is_alive():
        problems.append("did not end within %d s" % CASE_LIMIT_SECONDS)
        print("".join(traceback.format_stack(sys._current_frames()[thread.ident])), file=sys.stderr)
    report(name, began, problems)
    site.close()


def main():
    random.seed(int(SEED))
    with ThreadPoolExecutor(6) as pool:
        for future in [pool.submit(run_case, name, function) for name, function in CALM]:
            future.result()
    run_case("recipes_live_through_a_restart", recipes_live_through_a_restart)
    run_case("sessions_of_the_dead_expire_after_a_restart", sessions_of_the_dead_expire_after_a_restart)
    if re.search(ONLY, "storm") and int(STORM_ROUNDS):
        site = Site("storm")
        Storm(site).run()
        site.close()
    sys.stdout.flush()
    os._exit(0)


main()

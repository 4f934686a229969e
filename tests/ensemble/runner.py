"""Runs the cases of a suite, each in a folder of its own: run [--long] [case…]."""

import logging
import os
import pathlib
import shutil
import sys
import tempfile
import time
import traceback

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "mixed"))
logging.getLogger("kazoo").setLevel(logging.CRITICAL)

from ensemble import Failed


def run_case(suite, name, case, scale):
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"synod-{suite}-{name}-"))
    began = time.monotonic()
    try:
        said = case(folder, scale)
    except Exception as problem:  # whatever it is, the others still run
        print(f"  {name}: FAILED: {problem if isinstance(problem, Failed) else traceback.format_exc()}")
        if "SYNOD_KEEP" in os.environ:
            print(f"  kept: {folder}")
            return False
        shutil.rmtree(folder, ignore_errors=True)
        return False
    print(f"  {name}: {said} ({time.monotonic() - began:.1f} s)", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    return True


def main(suite, cases):
    """`cases`: {name: function of folder and scale that says in a line what it saw}. The exit status."""
    scale = 10 if "--long" in sys.argv else 1
    wanted = [word for word in sys.argv[1:] if not word.startswith("--")]
    failures = [name for name, case in cases.items() if (not wanted or name in wanted) and not run_case(suite, name, case, scale)]
    if failures:
        print(f"Again: tests/{suite}/run {' '.join(failures)}")
    return 1 if failures else 0

#!/usr/bin/python3
"""kazoo under a rolling replacement: kazoo_client.py HOSTS NAME. What it does and says stands in README.md."""

import logging
import sys
import threading
import time

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import ConnectionLoss, NoNodeError, NodeExistsError, OperationTimeoutError, SessionExpiredError

UNANSWERED = (ConnectionLoss, OperationTimeoutError)
SESSION_SECONDS, LAST_EVENT_SECONDS, PAUSE_SECONDS, FOLDER = 30.0, 60, 0.02, 1000
speaking = threading.Lock()


def say(*words):
    with speaking:
        print(*words, flush=True)


def lost(reason):
    say("lost", reason)


def connected(hosts):
    client = KazooClient(hosts, timeout=SESSION_SECONDS)
    client.add_listener(lambda state: lost("the session of kazoo has expired") if state == KazooState.LOST and not stopping.is_set() else None)
    client.start(SESSION_SECONDS)
    return client


def persist(call, *arguments, **options):
    """Again until there is an answer; of one whose first answer was lost, that it is done."""
    while True:
        try:
            return call(*arguments, **options)
        except UNANSWERED:
            time.sleep(0.05)
        except NodeExistsError:
            return None


def watch(client, path):
    """Reads the node again whenever its watch fires. (kazoo forgets watches with the connection, and says so.)"""
    while not watched_enough.is_set():
        fired = threading.Event()
        try:
            seen[0] = int(client.get(path, watch=lambda event, fired=fired: fired.set())[0])
        except (*UNANSWERED, SessionExpiredError):
            time.sleep(0.05)
            continue
        while not fired.wait(0.2) and not watched_enough.is_set():
            pass


def write(client, root):
    number = 0
    while not stopping.is_set():
        number += 1
        folder = f"{root}/{number // FOLDER:05}"
        try:
            client.create(f"{folder}/{number:08}", b"x" * 50)
            say("ack", number, int(time.monotonic() * 1000))
            if number % 10 == 0:
                client.set(root, str(number).encode())
        except NoNodeError:
            persist(client.create, folder)
        except UNANSWERED:
            pass
        stopping.wait(PAUSE_SECONDS)
    persist(client.set, root, str(number).encode())
    return number


hosts, root = sys.argv[1], "/load-" + sys.argv[2]
logging.getLogger("kazoo").setLevel(logging.CRITICAL)
stopping, watched_enough, seen = threading.Event(), threading.Event(), [0]
writer, watcher = connected(hosts), connected(hosts)
persist(writer.create, root, b"0")
persist(writer.create, root + "/alive", b"kazoo", ephemeral=True)
say("session", writer.client_id[0])
threading.Thread(target=watch, args=(watcher, root), daemon=True).start()
threading.Thread(target=lambda: (sys.stdin.readline(), stopping.set()), daemon=True).start()
last = write(writer, root)
deadline = time.monotonic() + LAST_EVENT_SECONDS
while seen[0] != last and time.monotonic() < deadline:
    time.sleep(0.05)
watched_enough.set()
say("done" if seen[0] == last else "stale", seen[0], last)
sys.stdin.readline()  # the ephemeral node is looked at meanwhile

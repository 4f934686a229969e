"""What all of kazoo's cases share: talking to `run`, a site in the tree with its clients, and checks."""

import os
import re
import sys
import threading
import time

from kazoo.client import KazooClient
from kazoo.retry import KazooRetry

ADDRESS, SEED, STORM_ROUNDS, ONLY = (sys.argv[1:] + ["127.0.0.1:2181", "1", "4", ""])[:4]
CASE_LIMIT_SECONDS = 90
STORM_SESSION_SECONDS = 30.0
# Java's server may swallow a connection made while it starts; its client then waits a third of its timeout.
ON_JAVA = os.environ.get("INTEROP_SERVER") == "java"
RECONNECT_SECONDS = 60 if ON_JAVA else 15

output_lock = threading.Lock()


def say(line):
    with output_lock:
        print(line, flush=True)


def ask(line):
    say(line)
    return sys.stdin.readline().strip()


def report(name, began, problems, note=""):
    seconds = time.monotonic() - began
    if problems:
        say("@fail %s %.2f %s" % (name, seconds, "; ".join(str(p) for p in problems[:3]).replace("\n", " ")))
    else:
        say("@pass %s %.2f %s" % (name, seconds, note))


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def equal(actual, expected, what=""):
    check(actual == expected, "%s: expected %r, got %r" % (what, expected, actual))


def eventually(predicate, what, seconds=15):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if predicate():
            return
        time.sleep(0.02)
    raise AssertionError("not within %d s: %s" % (seconds, what))


def raises(kind, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except kind:
        return
    raise AssertionError("%s did not raise %s" % (call, kind))


class Site:
    """The clients of one case, closed at its end, and its own corner of the tree."""

    def __init__(self, name):
        self.root = "/kazoo/" + name
        self.clients = []

    def client(self, timeout=10.0, chroot="", start=True, **options):
        retry = dict(max_tries=-1, delay=0.05, max_delay=0.5)
        client = KazooClient(hosts=ADDRESS + chroot, timeout=timeout, connection_retry=KazooRetry(**retry),
                             command_retry=KazooRetry(**retry), **options)
        self.clients.append(client)
        if start:
            client.start(15)
        return client

    def close(self):
        for client in self.clients:
            try:
                client.stop()
                client.close()
            except Exception:
                pass


class Guard:
    """Notices when more than `limit` are inside, and when a fencing token does not grow."""

    def __init__(self, limit=1):
        self.limit = limit
        self.inside = 0
        self.entries = 0
        self.last_token = -1
        self.violations = []
        self.lock = threading.Lock()

    def enter(self, token=None):
        with self.lock:
            self.inside += 1
            self.entries += 1
            if self.inside > self.limit:
                self.violations.append("%d inside where %d may be" % (self.inside, self.limit))
            if token is not None:
                if token <= self.last_token:
                    self.violations.append("fencing token %d after %d" % (token, self.last_token))
                self.last_token = token

    def leave(self):
        with self.lock:
            self.inside -= 1


def sequence_of(node):
    return int(re.search(r"(\d{10})$", node).group(1))


def in_threads(count, work):
    failures = []

    def guarded(i):
        try:
            work(i)
        except Exception as error:
            failures.append("%s: %s" % (type(error).__name__, error))
    threads = [threading.Thread(target=guarded, args=(i,), daemon=True) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        check(not thread.is_alive(), "a worker did not end")
    check(not failures, "; ".join(failures))

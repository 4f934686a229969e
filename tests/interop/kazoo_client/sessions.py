"""What sessions owe their clients: resume, expiry, pings, and one restart under clients that hold and wait."""

import signal
import subprocess
import threading
import time

from kazoo.client import KazooState
from kazoo.exceptions import ConnectionLoss

from calm import calm
from support import (ADDRESS, RECONNECT_SECONDS, STORM_SESSION_SECONDS, ask, check, equal, eventually,
                     in_threads)


@calm
def session_is_resumed_with_its_password(site):
    one = site.client()
    one.create(site.root + "/e", ephemeral=True, makepath=True)
    identity = one.client_id
    two = site.client(client_id=identity)
    equal(two.client_id[0], identity[0], "session id")
    equal(two.exists(site.root + "/e").ephemeralOwner, identity[0], "the ephemeral stays")
    # The first connection was closed by the move: its client comes back and takes the session again.


@calm
def closing_elsewhere_expires_the_session(site):
    one, witness = site.client(), site.client()
    states = []
    one.add_listener(lambda state: states.append(state) and None)
    one.create(site.root + "/e", ephemeral=True, makepath=True)
    before = one.client_id
    thief = site.client(client_id=before)
    thief.stop()
    eventually(lambda: KazooState.LOST in states and states[-1] == KazooState.CONNECTED, "lost, then connected")
    check(one.client_id[0] != before[0], "a new session")
    check(witness.exists(site.root + "/e") is None, "the ephemeral went")
    one.create(site.root + "/e2", ephemeral=True)


CHILD = """
import sys, time
from kazoo.client import KazooClient
client = KazooClient(hosts=sys.argv[1], timeout=float(sys.argv[3]))
client.add_listener(lambda state: print(state, flush=True))
client.start(15)
lock = client.Lock(sys.argv[2], "child")
lock.acquire()
print("HELD", client.client_id[0], flush=True)
time.sleep(60)
"""


class Child:
    """A client in a process of its own, holding a lock, to be killed or frozen."""

    def __init__(self, path, timeout):
        self.process = subprocess.Popen(["/usr/bin/python3", "-c", CHILD, ADDRESS, path, str(timeout)],
                                        stdout=subprocess.PIPE, text=True)
        self.lines = []
        self.reader = threading.Thread(target=lambda: self.lines.extend(l.strip() for l in iter(
            self.process.stdout.readline, "")) or None, daemon=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.strip())

    def held(self):
        eventually(lambda: any(line.startswith("HELD") for line in self.lines), "the child holds the lock", 20)

    def end(self):
        self.process.kill()
        self.process.wait()


@calm
def killed_client_expires_and_the_lock_passes_on(site):
    child, client = Child(site.root, 2.0), site.client()
    try:
        child.held()
        lock = client.Lock(site.root)
        child.end()
        began = time.monotonic()
        check(lock.acquire(timeout=15), "the lock passed on")
        waited = time.monotonic() - began
        check(1.0 < waited < 6.0, "the lock passed on after %.1f s, the session timeout is 2 s" % waited)
    finally:
        child.end()


@calm
def frozen_client_loses_its_session_and_gets_a_new_one(site):
    child, client = Child(site.root, 2.0), site.client()
    try:
        child.held()
        child.process.send_signal(signal.SIGSTOP)
        check(client.Lock(site.root).acquire(timeout=15), "the lock passed on")
        child.process.send_signal(signal.SIGCONT)
        eventually(lambda: child.lines[-2:] == ["LOST", "CONNECTED"], "the child learns it", 15)
    finally:
        child.end()


@calm
def idle_client_keeps_its_session_by_pings(site):
    one, two = site.client(timeout=1.0), site.client()
    one.create(site.root + "/e", ephemeral=True, makepath=True)
    before = one.client_id[0]
    time.sleep(3.5)
    equal(one.client_id[0], before, "session")
    check(two.exists(site.root + "/e") is not None, "the ephemeral stays")


def restart_server():
    equal(ask("@kill"), "ok")
    equal(ask("@start"), "ok")


def recipes_live_through_a_restart(site):
    """What a calm client holds is still held, and what it waits for still comes."""
    clients = [site.client(timeout=STORM_SESSION_SECONDS) for _ in range(3)]
    one, two, three = clients
    states = []
    for client in clients:
        client.add_listener(lambda state: states.append(state) and None)
    sessions = [client.client_id for client in clients]
    lock = one.Lock(site.root + "/lock")
    lock.acquire()
    for client in clients:
        client.ShallowParty(site.root + "/party", str(clients.index(client))).join()
    barrier = one.Barrier(site.root + "/barrier")
    barrier.create()
    doubles = [client.DoubleBarrier(site.root + "/double", 3) for client in clients]
    in_threads(3, lambda i: doubles[i].enter())
    seen, tree = [], []
    one.ensure_path(site.root + "/watched")
    two.DataWatch(site.root + "/watched", lambda value, stat: seen.append(value))
    three.ChildrenWatch(site.root + "/watched", lambda names: tree.append(sorted(names)))
    waiting = two.Lock(site.root + "/lock")
    waiter = threading.Thread(target=waiting.acquire, daemon=True)
    waiter.start()
    eventually(lambda: len(one.get_children(site.root + "/lock")) == 2, "a waiter")
    passed = threading.Event()

    def wait_at_barrier():
        # kazoo's barrier forgets its watch with the connection, so a user waits in short turns.
        while not passed.is_set():
            try:
                if three.Barrier(site.root + "/barrier").wait(0.5):
                    passed.set()
            except ConnectionLoss:
                time.sleep(0.1)
    threading.Thread(target=wait_at_barrier, daemon=True).start()

    restart_server()

    eventually(lambda: all(client.connected for client in clients), "reconnected", RECONNECT_SECONDS)
    equal([client.client_id for client in clients], sessions, "sessions")
    equal(sorted(one.ShallowParty(site.root + "/party")), ["0", "1", "2"], "membership")
    check(not waiting.is_acquired, "the lock is still held")
    check(not passed.is_set(), "the barrier still holds")
    one.retry(one.set, site.root + "/watched", b"after")
    one.retry(one.create, site.root + "/watched/child")
    eventually(lambda: seen[-1] == b"after" and tree[-1] == ["child"], "watches work after the restart")
    barrier.remove()
    eventually(passed.is_set, "the barrier releases")
    lock.release()
    waiter.join(15)
    check(waiting.is_acquired, "the waiter gets the lock")
    in_threads(3, lambda i: doubles[i].leave())
    check(KazooState.LOST not in states, "a session was lost")
    equal(one.get_children(site.root + "/double"), [], "double barrier left")


def sessions_of_the_dead_expire_after_a_restart(site):
    """The owner dies while the server is down: its session is counted from the restart, then expires."""
    child, client = Child(site.root, 3.0), site.client(timeout=STORM_SESSION_SECONDS)
    try:
        child.held()
        equal(ask("@kill"), "ok")
        child.end()
        equal(ask("@start"), "ok")
        began = time.monotonic()
        eventually(lambda: client.connected, "reconnected", RECONNECT_SECONDS)
        check(client.retry(client.Lock(site.root).acquire, timeout=20), "the lock passed on")
        waited = time.monotonic() - began
        check(waited < 9.0, "the lock passed on after %.1f s, the session timeout is 3 s" % waited)
    finally:
        child.end()

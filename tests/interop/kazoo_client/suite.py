"""kazoo 2.8 against one server: every recipe in the calm, then all of them at once while the server dies.

Usage: suite.py HOST:PORT SEED STORM_ROUNDS ONLY, under `run`, which reads the lines starting with @.
"""

import datetime
import logging
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import (BadVersionError, ConnectionLoss, KazooException, LockTimeout, NoAuthError,
                              NodeExistsError, NoNodeError, NotEmptyError, RolledBackError,
                              RuntimeInconsistency, SessionExpiredError)
from kazoo.protocol.states import EventType
from kazoo.recipe.cache import TreeCache, TreeEvent
from kazoo.recipe.lease import MultiNonBlockingLease, NonBlockingLease
from kazoo.recipe.partitioner import SetPartitioner
from kazoo.retry import KazooRetry
from kazoo.security import make_digest_acl, CREATOR_ALL_ACL, READ_ACL_UNSAFE

ADDRESS, SEED, STORM_ROUNDS, ONLY = (sys.argv[1:] + ["127.0.0.1:2181", "1", "4", ""])[:4]
CASE_LIMIT_SECONDS = 40
STORM_SESSION_SECONDS = 30.0

logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
output_lock = threading.Lock()


# ---- talking to `run` ---------------------------------------------------------------------------------------

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


# ---- helpers ------------------------------------------------------------------------------------------------

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


CALM = []


def calm(function):
    CALM.append((function.__name__, function))
    return function


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


# ---- recipes in the calm ------------------------------------------------------------------------------------

@calm
def lock_is_exclusive(site):
    guard = Guard()

    def work(i):
        client = site.client()
        for _ in range(5):
            lock = client.Lock(site.root, "contender-%d" % i)
            with lock:
                guard.enter(sequence_of(lock.node))
                time.sleep(0.01)
                guard.leave()
    in_threads(4, work)
    equal(guard.violations, [], "violations")
    equal(guard.entries, 20, "entries")


@calm
def lock_times_out_cancels_and_lists_contenders(site):
    one, two = site.client(), site.client()
    held = one.Lock(site.root, "one")
    check(held.acquire(), "acquire")
    raises(LockTimeout, two.Lock(site.root, "two").acquire, timeout=0.3)
    check(not two.Lock(site.root, "two").acquire(blocking=False), "non-blocking acquire of a held lock")
    waiting = two.Lock(site.root, "waiting")
    thread = threading.Thread(target=waiting.acquire, daemon=True)
    thread.start()
    eventually(lambda: waiting.contenders() == ["one", "waiting"], "contenders in order")
    held.release()
    thread.join(10)
    check(waiting.is_acquired, "the waiter got the lock")
    waiting.release()
    equal(one.get_children(site.root), [], "nodes left")


@calm
def lock_passes_on_when_the_holder_closes(site):
    one, two = site.client(), site.client()
    check(one.Lock(site.root).acquire(), "acquire")
    waiting = two.Lock(site.root)
    thread = threading.Thread(target=waiting.acquire, daemon=True)
    thread.start()
    eventually(lambda: len(two.get_children(site.root)) == 2, "two contenders")
    one.stop()
    thread.join(10)
    check(waiting.is_acquired, "the lock passed on")


@calm
def read_lock_and_write_lock(site):
    one, two, three = site.client(), site.client(), site.client()
    first, second, writer = one.ReadLock(site.root), two.ReadLock(site.root), three.WriteLock(site.root)
    check(first.acquire(timeout=5) and second.acquire(timeout=5), "two readers")
    raises(LockTimeout, writer.acquire, timeout=0.3)
    first.release()
    second.release()
    check(writer.acquire(timeout=5), "writer after readers")
    raises(LockTimeout, one.ReadLock(site.root).acquire, timeout=0.3)
    writer.release()
    check(one.ReadLock(site.root).acquire(timeout=5), "reader after writer")


@calm
def semaphore_leases(site):
    guard = Guard(2)

    def work(i):
        client = site.client()
        for _ in range(4):
            with client.Semaphore(site.root, "holder-%d" % i, max_leases=2):
                guard.enter()
                time.sleep(0.02)
                guard.leave()
    in_threads(4, work)
    equal(guard.violations, [], "violations")
    equal(guard.entries, 16, "entries")
    client = site.client()
    raises(ValueError, client.Semaphore(site.root, max_leases=3).acquire)
    semaphore = client.Semaphore(site.root, "me", max_leases=2)
    semaphore.acquire()
    equal(semaphore.lease_holders(), ["me"], "lease holders")


@calm
def election_hands_on(site):
    guard, led = Guard(), []

    def lead(i):
        guard.enter()
        led.append(i)
        time.sleep(0.05)
        guard.leave()
    in_threads(4, lambda i: site.client().Election(site.root, "candidate-%d" % i).run(lead, i))
    equal(sorted(led), [0, 1, 2, 3], "everyone led once")
    equal(guard.violations, [], "violations")


@calm
def election_cancel_and_contenders(site):
    one, two = site.client(), site.client()
    release = threading.Event()
    first, second = one.Election(site.root, "first"), two.Election(site.root, "second")
    threads = [threading.Thread(target=first.run, args=(release.wait, 20), daemon=True)]
    threads[0].start()
    eventually(lambda: first.contenders() == ["first"], "first leads")
    threads.append(threading.Thread(target=second.run, args=(lambda: None,), daemon=True))
    threads[1].start()
    eventually(lambda: first.contenders() == ["first", "second"], "second waits")
    second.cancel()
    threads[1].join(5)
    check(not threads[1].is_alive(), "cancel ends the candidate")
    eventually(lambda: first.contenders() == ["first"], "second left")
    release.set()
    threads[0].join(5)
    equal(first.contenders(), [], "first left")


@calm
def barrier_releases(site):
    one, two = site.client(), site.client()
    barrier = one.Barrier(site.root + "/barrier")
    check(two.Barrier(site.root + "/barrier").wait(1), "no barrier, no wait")
    barrier.create()
    check(not two.Barrier(site.root + "/barrier").wait(0.3), "the barrier holds")
    threading.Timer(0.3, barrier.remove).start()
    check(two.Barrier(site.root + "/barrier").wait(10), "the barrier releases")
    check(not barrier.remove(), "removed twice")


@calm
def double_barrier_enters_and_leaves_together(site):
    inside, early = [], []

    def work(i):
        barrier = site.client().DoubleBarrier(site.root, 3, "member-%d" % i)
        time.sleep(0.1 * i)
        barrier.enter()
        inside.append(i)
        if len(inside) == 3:
            check(barrier.participating, "participating")
        barrier.leave()
    site.client().ensure_path(site.root)
    in_threads(3, work)
    equal(len(inside), 3, "entered")
    equal(site.clients[0].get_children(site.root), [], "nodes left")


@calm
def queue_priorities_and_order(site):
    queue = site.client().Queue(site.root)
    for value, priority in ((b"c", 200), (b"a", 10), (b"b", 100), (b"b2", 100)):
        queue.put(value, priority)
    equal(len(queue), 4, "length")
    equal([queue.get() for _ in range(5)], [b"a", b"b", b"b2", b"c", None], "order")


@calm
def queue_gives_each_item_once(site):
    producer = site.client().Queue(site.root)
    for i in range(60):
        producer.put(b"%d" % i)
    taken = []

    def work(_):
        queue = site.client().Queue(site.root)
        for value in iter(queue.get, None):
            taken.append(int(value))
    in_threads(3, work)
    equal(sorted(taken), list(range(60)), "items")


@calm
def locking_queue(site):
    producer = site.client().LockingQueue(site.root)
    producer.put_all([b"%d" % i for i in range(30)])
    producer.put(b"first", 1)
    one, two = site.client().LockingQueue(site.root), site.client().LockingQueue(site.root)
    equal(one.get(5), b"first", "priority")
    equal(one.get(5), b"first", "the same until consumed")
    check(one.holds_lock(), "holds the lock")
    check(two.get(5) != b"first", "a locked item is not given twice")
    check(one.release() and two.release(), "release")
    equal(one.get(5), b"first", "again after release")
    check(one.consume() and not one.consume(), "consume once")
    taken = []

    def work(_):
        queue = site.client().LockingQueue(site.root)
        for value in iter(lambda: queue.get(0.5), None):
            taken.append(int(value))
            check(queue.consume(), "consume")
    in_threads(3, work)
    equal(sorted(taken), list(range(30)), "items")
    equal(len(producer), 0, "length")


@calm
def locking_queue_unlocks_items_of_a_closed_session(site):
    client = site.client()
    one, two = client.LockingQueue(site.root), site.client().LockingQueue(site.root)
    one.put(b"x")
    equal(one.get(5), b"x", "get")
    threading.Timer(0.3, client.stop).start()
    equal(two.get(10), b"x", "after the close")


@calm
def counter_adds_up(site):
    def work(_):
        counter = site.client().Counter(site.root + "/n")
        for _ in range(10):
            counter += 2
            counter -= 1
    in_threads(3, work)
    equal(site.client().Counter(site.root + "/n").value, 30, "value")
    real = site.clients[0].Counter(site.root + "/real", default=1.5)
    real += 1.0
    equal(real.value, 2.5, "float")
    curator = site.clients[0].Counter(site.root + "/curator", support_curator=True)
    curator += 7
    equal(site.clients[0].get(site.root + "/curator")[0], b"\0\0\0\x07", "Curator's form")


@calm
def party_and_shallow_party(site):
    one, two = site.client(), site.client()
    for kind in ("Party", "ShallowParty"):
        path = site.root + "/" + kind
        first, second = getattr(one, kind)(path, "first"), getattr(two, kind)(path, "second")
        first.join()
        second.join()
        equal(sorted(first), ["first", "second"], kind)
        equal(len(second), 2, kind)
        second.leave()
        equal(list(first), ["first"], kind)
    two.ShallowParty(site.root + "/ShallowParty", "again").join()
    two.stop()
    eventually(lambda: len(one.ShallowParty(site.root + "/ShallowParty")) == 1, "a closed member leaves")


@calm
def set_partitioner_divides_the_set(site):
    items = tuple("item-%d" % i for i in range(6))
    partitioners = [SetPartitioner(site.client(), site.root, items, identifier="member-%d" % i,
                                   time_boundary=0.4) for i in range(3)]

    def settled(members, seconds=25):
        def step():
            for member in members:
                check(not member.failed, "a partitioner failed")
                if member.release:
                    member.release_set()
                elif member.allocating:
                    member.wait_for_acquire(0.1)
            return all(m.acquired for m in members) and sorted(i for m in members for i in m) == sorted(items)
        eventually(step, "the set is divided", seconds)
    settled(partitioners)
    equal([len(list(p)) for p in partitioners], [2, 2, 2], "shares")
    partitioners[2].finish()
    settled(partitioners[:2])


@calm
def tree_cache_follows(site):
    writer, reader = site.client(), site.client()
    writer.ensure_path(site.root + "/tree/a")
    cache, events = TreeCache(reader, site.root + "/tree"), []
    cache.listen(lambda event: events.append(event.event_type))
    cache.start()
    eventually(lambda: TreeEvent.INITIALIZED in events, "initialised")
    writer.set(site.root + "/tree/a", b"1")
    writer.create(site.root + "/tree/a/b/c", b"deep", makepath=True)
    eventually(lambda: getattr(cache.get_data(site.root + "/tree/a"), "data", None) == b"1", "changed data")
    eventually(lambda: getattr(cache.get_data(site.root + "/tree/a/b/c"), "data", None) == b"deep", "new node")
    writer.delete(site.root + "/tree/a/b", recursive=True)
    eventually(lambda: cache.get_children(site.root + "/tree/a") == frozenset(), "deleted")
    cache.close()


@calm
def children_watch_and_data_watch(site):
    writer, reader = site.client(), site.client()
    writer.ensure_path(site.root)
    children, data, stopped = [], [], []
    reader.ChildrenWatch(site.root, lambda now: children.append(sorted(now)))
    reader.DataWatch(site.root + "/d", lambda value, stat: data.append(value))
    reader.ChildrenWatch(site.root, lambda now: stopped.append(now) or False)
    events = []
    reader.ChildrenWatch(site.root, lambda now, event: events.append(event and event.type), send_event=True)
    equal((children, data), ([[]], [None]), "first call")
    writer.create(site.root + "/d", b"1")
    eventually(lambda: children[-1] == ["d"] and data[-1] == b"1", "created")
    writer.set(site.root + "/d", b"2")
    eventually(lambda: data[-1] == b"2", "changed")
    writer.delete(site.root + "/d")
    eventually(lambda: children[-1] == [] and data[-1] is None, "deleted")
    equal(len(stopped), 1, "a watch that returned False")
    equal(events, [None, EventType.CHILD, EventType.CHILD], "events")


@calm
def plain_watches_fire_once(site):
    one, two = site.client(), site.client()
    one.create(site.root + "/n", b"", makepath=True)
    seen = []
    watch = lambda event: seen.append((event.type, event.path[len(site.root):], event.state))
    two.get(site.root + "/n", watch=watch)
    two.exists(site.root + "/later", watch=watch)
    two.get_children(site.root, watch=watch)
    one.set(site.root + "/n", b"1")
    one.set(site.root + "/n", b"2")
    one.create(site.root + "/later")
    one.create(site.root + "/more")
    two.sync("/")
    eventually(lambda: len(seen) == 3, "three events")
    time.sleep(0.1)
    equal(sorted(seen), [("CHANGED", "/n", "CONNECTED"), ("CHILD", "", "CONNECTED"),
                         ("CREATED", "/later", "CONNECTED")], "events")


@calm
def non_blocking_leases(site):
    one, two = site.client(), site.client()
    hour = datetime.timedelta(hours=1)
    check(NonBlockingLease(one, site.root + "/one", hour, "a"), "free")
    check(not NonBlockingLease(two, site.root + "/one", hour, "b"), "taken")
    check(NonBlockingLease(one, site.root + "/one", hour, "a"), "renewed")
    later = lambda: datetime.datetime.utcnow() + 2 * hour
    check(NonBlockingLease(two, site.root + "/one", hour, "b", utcnow=later), "after its end")
    got = [bool(MultiNonBlockingLease(one, 2, site.root + "/many", hour, str(i))) for i in range(4)]
    equal(got, [True, True, False, False], "two of four")


@calm
def transactions(site):
    client = site.client()
    client.ensure_path(site.root)
    transaction = client.transaction()
    transaction.create(site.root + "/a", b"1")
    transaction.set_data(site.root + "/a", b"2")
    transaction.check(site.root + "/a", 1)
    transaction.create(site.root + "/s-", sequence=True, ephemeral=True)
    transaction.delete(site.root + "/a", 1)
    results = transaction.commit()
    equal(results[0], site.root + "/a", "create")
    equal(results[1].version, 1, "set_data")
    equal(results[2:4], [True, site.root + "/s-0000000001"], "check and create")
    equal(results[4], True, "delete")
    transaction = client.transaction()
    transaction.create(site.root + "/b")
    transaction.delete(site.root + "/missing")
    transaction.create(site.root + "/c")
    equal([type(r) for r in transaction.commit()], [RolledBackError, NoNodeError, RuntimeInconsistency], "failure")
    check(client.exists(site.root + "/b") is None, "rolled back")


@calm
def authentication_and_acls(site):
    owner = site.client(auth_data=[("digest", "owner:secret")])
    owner.create(site.root + "/mine", b"x", acl=CREATOR_ALL_ACL, makepath=True)
    owner.create(site.root + "/read", b"x", acl=READ_ACL_UNSAFE + [make_digest_acl("owner", "secret", all=True)])
    other = site.client()
    raises(NoAuthError, other.get, site.root + "/mine")
    raises(NoAuthError, other.set, site.root + "/read", b"y")
    equal(other.get(site.root + "/read")[0], b"x", "readable")
    other.add_auth("digest", "owner:secret")
    equal(other.get(site.root + "/mine")[0], b"x", "after add_auth")
    acl, stat = other.get_acls(site.root + "/mine")
    equal((acl[0].id.scheme, acl[0].id.id[:6], stat.aversion), ("digest", "owner:", 0), "acl")
    other.set_acls(site.root + "/mine", [make_digest_acl("other", "x", read=True)], version=0)
    raises(NoAuthError, owner.set, site.root + "/mine", b"z")
    boss = site.client(auth_data=[("digest", "super:test")])
    equal(boss.get(site.root + "/mine")[0], b"x", "super user")


@calm
def chroot(site):
    site.client().ensure_path(site.root + "/jail")
    jailed, free = site.client(chroot=site.root + "/jail"), site.client()
    equal(jailed.create("/a/b", b"x", makepath=True), "/a/b", "path in the jail")
    equal(free.get(site.root + "/jail/a/b")[0], b"x", "path outside")
    seen = []
    jailed.get("/a/b", watch=lambda event: seen.append(event.path))
    free.set(site.root + "/jail/a/b", b"y")
    eventually(lambda: seen == ["/a/b"], "watch path in the jail")
    jailed.get_children("/", watch=lambda event: seen.append(event.path))
    jailed.create("/s-", sequence=True)
    eventually(lambda: seen[1:] == ["/"], "watch on the jail's root")
    equal(sorted(jailed.get_children("/")), ["a", "s-0000000001"], "children")
    with jailed.Lock("/lock") as _:
        equal(len(free.get_children(site.root + "/jail/lock")), 1, "lock node")
    transaction = jailed.transaction()
    transaction.create("/t")
    equal(transaction.commit(), ["/t"], "transaction path")


@calm
def plain_operations_and_errors(site):
    client = site.client()
    path, stat = client.create(site.root + "/n", b"abc", makepath=True, include_data=True)
    equal((path, stat.version, stat.dataLength, stat.numChildren), (site.root + "/n", 0, 3, 0), "create2")
    raises(NodeExistsError, client.create, site.root + "/n")
    raises(BadVersionError, client.set, site.root + "/n", b"", version=7)
    raises(BadVersionError, client.delete, site.root + "/n", version=7)
    raises(NoNodeError, client.get_children, site.root + "/missing")
    raises(NotEmptyError, client.delete, site.root)
    client.create(site.root + "/e", ephemeral=True)
    raises(KazooException, client.create, site.root + "/e/child")
    equal(client.exists(site.root + "/e").ephemeralOwner, client.client_id[0], "owner")
    big = os.urandom(900 * 1024)
    client.set(site.root + "/n", big)
    equal(client.get(site.root + "/n")[0], big, "900 KiB")
    names, stat = client.get_children(site.root, include_data=True)
    equal((sorted(names), stat.numChildren), (["e", "n"], 2), "get_children2")
    pipelined = [client.create_async(site.root + "/p-", sequence=True) for _ in range(200)]
    equal([sequence_of(p.get(10)) for p in pipelined], list(range(2, 202)), "pipelined in order")
    client.delete(site.root, recursive=True)
    check(client.exists(site.root) is None, "deleted")
    equal(client.server_version()[0], 3, "server_version from envi")
    equal(client.command(b"ruok"), "imok", "ruok")


# ---- sessions -----------------------------------------------------------------------------------------------

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


# ---- the server dies, one recipe at a time ------------------------------------------------------------------

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

    eventually(lambda: all(client.connected for client in clients), "reconnected", 20)
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
        eventually(lambda: client.connected, "reconnected", 20)
        check(client.retry(client.Lock(site.root).acquire, timeout=20), "the lock passed on")
        waited = time.monotonic() - began
        check(waited < 9.0, "the lock passed on after %.1f s, the session timeout is 3 s" % waited)
    finally:
        child.end()


# ---- the storm: everything at once, the server dying at random ----------------------------------------------

class Storm:
    """Workers of every recipe on shared clients. Each check says what the recipe promises, no more."""

    def __init__(self, site):
        self.site = site
        self.root = site.root
        self.over = threading.Event()
        self.threads = []
        self.checks = []
        self.lost_sessions = 0
        self.suspensions = {}
        self.teams = [[self.make_client() for _ in range(3)] for _ in range(3)]

    def make_client(self):
        client = self.site.client(timeout=STORM_SESSION_SECONDS)
        self.suspensions[client] = 0

        def listen(state):
            if state == KazooState.SUSPENDED:
                self.suspensions[client] += 1
            elif state == KazooState.LOST and not client._stopped.is_set():
                self.lost_sessions += 1
        client.add_listener(listen)
        return client

    def loop(self, problems, body, *arguments):
        """Runs body until the storm is over. Connection loss is the storm; anything else is a finding."""
        def work():
            while not self.over.is_set():
                try:
                    body(*arguments)
                except (ConnectionLoss, SessionExpiredError):
                    time.sleep(0.05)
                except Exception as error:
                    problems.append("%s: %s" % (type(error).__name__, error))
                    traceback.print_exc()
                    return
                time.sleep(0.02)
        thread = threading.Thread(target=work, daemon=True)
        self.threads.append(thread)
        thread.start()

    def add(self, name, problems, verdict):
        self.checks.append((name, problems, verdict))

    # -- locks: exclusive, with growing fencing tokens, and a counter in the tree that only holders write

    def lock(self, clients):
        problems, guard, sections = [], Guard(), [0]
        path, counter = self.root + "/lock", self.root + "/lock-counter"
        clients[0].create(counter, b"0 start", makepath=True)

        def body(client):
            lock = client.Lock(path)
            with lock:
                guard.enter(sequence_of(lock.node))
                try:
                    value, stat = client.retry(client.get, counter)
                    mine = b"%d %s" % (int(value.split()[0]) + 1, lock.node.encode())
                    try:
                        client.retry(client.set, counter, mine, version=stat.version)
                    except BadVersionError:
                        if client.retry(client.get, counter)[0] != mine:  # else: my own write, reply lost
                            problems.append("someone else wrote while the lock was held")
                    sections[0] += 1
                finally:
                    guard.leave()
        for client in clients:
            self.loop(problems, body, client)

        def verdict():
            value = int(clients[0].get(counter)[0].split()[0])
            equal(value, sections[0], "the counter in the tree")
            return guard.violations, "%d sections" % sections[0]
        self.add("lock", problems, verdict)

    def read_write_lock(self, clients):
        problems, state, mutex, path = [], {"readers": 0, "writers": 0, "sections": 0}, threading.Lock(), self.root + "/rw"

        def section(lock, mine):
            # kazoo 2.8's ReadLock also waits for writers behind it, which wait for it: only a timeout helps.
            try:
                if not lock.acquire(timeout=random.uniform(0.3, 0.9)):
                    return
            except LockTimeout:
                return
            try:
                with mutex:
                    state[mine] += 1
                    state["sections"] += 1
                    if state["writers"] > 1 or (state["writers"] and state["readers"]):
                        problems.append("readers %(readers)d, writers %(writers)d" % state)
                time.sleep(0.02)
                with mutex:
                    state[mine] -= 1
            finally:
                lock.release()
        for client in clients:
            self.loop(problems, lambda c: section(c.ReadLock(path), "readers"), client)
        self.loop(problems, lambda c: section(c.WriteLock(path), "writers"), clients[0])
        self.add("read_write_lock", problems, lambda: ([], "%d sections" % state["sections"]))

    def semaphore(self, clients):
        problems, guard = [], Guard(2)

        def body(client):
            with client.Semaphore(self.root + "/semaphore", max_leases=2):
                guard.enter()
                time.sleep(0.03)
                guard.leave()
        for client in clients:
            self.loop(problems, body, client)
        self.add("semaphore", problems, lambda: (guard.violations, "%d sections" % guard.entries))

    def election(self, clients):
        problems, guard = [], Guard()

        def lead():
            guard.enter()
            time.sleep(random.uniform(0.02, 0.3))
            guard.leave()
        for client in clients:
            self.loop(problems, lambda c: c.Election(self.root + "/election").run(lead), client)
        self.add("election", problems, lambda: (guard.violations, "%d terms" % guard.entries))

    # -- queues: nothing twice; what a lost reply may lose is bounded by the connection losses

    def queue(self, clients):
        problems, put, maybe, taken = [], [], [], []
        number = iter(range(10 ** 9))

        def produce(client):
            item = b"%d" % next(number)
            try:
                client.Queue(self.root + "/queue").put(item)
                put.append(item)
            except ConnectionLoss:
                maybe.append(item)
        readers = [client.Queue(self.root + "/queue") for client in clients[1:]]

        def consume(queue):
            item = queue.get()
            if item is not None:
                taken.append(item)
        self.loop(problems, produce, clients[0])
        for reader in readers:
            self.loop(problems, consume, reader)

        def verdict():
            rest = self.site.client().Queue(self.root + "/queue")
            taken.extend(iter(rest.get, None))
            lost = set(put) - set(taken)
            bound = sum(self.suspensions[c] for c in clients[1:])
            found = []
            if len(taken) != len(set(taken)):
                found.append("%d items given twice" % (len(taken) - len(set(taken))))
            if not set(taken) <= set(put) | set(maybe):
                found.append("an item nobody put")
            if len(lost) > bound:
                found.append("%d items lost, %d connection losses" % (len(lost), bound))
            return found, "%d items, %d lost of at most %d" % (len(put), len(lost), bound)
        self.add("queue", problems, verdict)

    def locking_queue(self, clients):
        problems, put, maybe, taken, unsure = [], [], [], [], []
        number = iter(range(10 ** 9))

        def produce(client):
            items = [b"%d" % next(number) for _ in range(2)]
            try:
                client.LockingQueue(self.root + "/locking").put_all(items)
                put.extend(items)
            except ConnectionLoss:
                maybe.extend(items)
        def consume(queue):
            item = queue.get(0.5)
            if item is None:
                return
            attempts = 0
            while True:
                attempts += 1
                try:
                    check(queue.consume(), "consume of an item that is held")
                    break
                except ConnectionLoss:
                    time.sleep(0.05)
                except NoNodeError:  # the lost reply was a yes
                    check(attempts > 1, "the lock of a held item is gone")
                    queue.processing_element = None
                    break
            taken.append(item)
        self.loop(problems, produce, clients[0])
        for client in clients[1:]:
            self.loop(problems, consume, client.LockingQueue(self.root + "/locking"))

        def verdict():
            # A lock whose reply was lost stays with its session, so close the consumers before draining.
            for client in clients[1:]:
                client.stop()
            rest = self.site.client().LockingQueue(self.root + "/locking")
            for item in iter(lambda: rest.get(1.0), None):
                rest.consume()
                taken.append(item)
            found = []
            if len(taken) != len(set(taken)):
                found.append("%d items given twice" % (len(taken) - len(set(taken))))
            if not set(put) <= set(taken) <= set(put) | set(maybe):
                found.append("%d items lost" % len(set(put) - set(taken)))
            halves = [i for i in maybe if (i in taken) != (b"%d" % (int(i) ^ 1) in taken)]
            if halves:
                found.append("half a put_all was applied")
            return found, "%d items" % len(put)
        self.add("locking_queue", problems, verdict)

    def counter(self, clients):
        problems, added = [], [0] * len(clients)

        def body(i):
            counter = clients[i].Counter(self.root + "/counter")
            counter += 1
            added[i] += 1
        for i in range(len(clients)):
            self.loop(problems, body, i)

        def verdict():
            value = clients[0].Counter(self.root + "/counter").value
            # kazoo adds again when a reply was lost; nothing acknowledged may be missing.
            bound = sum(self.suspensions[c] for c in clients)
            found = [] if sum(added) <= value <= sum(added) + bound else ["%d for %d additions" % (value, sum(added))]
            return found, "%d additions, value %d" % (sum(added), value)
        self.add("counter", problems, verdict)

    def lease(self, clients):
        problems, holders = [], set()
        hour = datetime.timedelta(hours=1)

        def body(i):
            if NonBlockingLease(clients[i], self.root + "/lease", hour, "holder-%d" % i):
                holders.add(i)
            if MultiNonBlockingLease(clients[i], 1, self.root + "/leases", hour, "holder-%d" % i):
                holders.add(10 + i)
            time.sleep(0.1)
        for i in range(len(clients)):
            self.loop(problems, body, i)
        self.add("lease", problems, lambda: ([] if len(holders) == 2 else ["holders %s" % holders], ""))

    # -- membership and caches: after the storm they show the tree

    def party(self, clients):
        problems = []
        parties = [c.ShallowParty(self.root + "/party", "member%d" % i) for i, c in enumerate(clients)]
        parties += [c.Party(self.root + "/party", "full%d" % i) for i, c in enumerate(clients)]
        for party in parties:
            party.join()
        flicker = clients[0].Party(self.root + "/party", "flicker")

        def body():
            flicker.join()
            flicker.leave()
        self.loop(problems, body)

        def verdict():
            flicker.leave()
            names = clients[0].get_children(self.root + "/party")
            return ([] if len(names) == 6 else ["members %s" % names]), ""
        self.add("party", problems, verdict)

    def partitioner(self, clients):
        problems, claims, mutex, rounds = [], {}, threading.Lock(), [0]
        items = ["p%d" % i for i in range(6)]
        members = [SetPartitioner(c, self.root + "/partition", items, identifier="m%d" % i, time_boundary=0.3)
                   for i, c in enumerate(clients)]
        wanted = [True]

        def body(i):
            member = members[i]
            if member.release:
                member.release_set()
            elif member.allocating:
                member.wait_for_acquire(0.2)
            elif member.acquired:
                # The locks go only in release_set(), which this thread calls: what it holds here is its own.
                mine = list(member)
                with mutex:
                    for item in mine:
                        if claims.setdefault(item, i) != i:
                            problems.append("%s held twice" % item)
                time.sleep(0.02)
                with mutex:
                    for item in mine:
                        claims.pop(item, None)
                rounds[0] += 1
            elif member.failed:
                raise AssertionError("a partitioner failed")
        for i in range(len(clients)):
            self.loop(problems, body, i)

        def verdict():
            def step():
                for i in range(len(clients)):
                    body(i)
                return all(m.acquired for m in members) and sorted(x for m in members for x in m) == items
            eventually(step, "the set is divided again", 25)
            return [], "%d turns" % rounds[0]
        self.add("partitioner", problems, verdict)

    def caches(self, clients):
        problems, base = [], self.root + "/cached"
        writer, reader, third = clients
        for i in range(4):
            writer.create("%s/n%d" % (base, i), b"0", makepath=True)
        cache = TreeCache(reader, base)
        cache.listen_fault(lambda error: None)
        cache.start()
        children, data = [None], [None]
        third.ChildrenWatch(base, lambda names: children.__setitem__(0, sorted(names)))
        third.DataWatch(base + "/n0", lambda value, stat: data.__setitem__(0, value))
        step = iter(range(10 ** 9))

        def body():
            i = next(step)
            writer.retry(writer.set, "%s/n%d" % (base, i % 4), b"%d" % i)
            extra = "%s/x%d" % (base, i % 3)
            try:
                writer.create(extra, b"%d" % i)
            except NodeExistsError:
                writer.delete(extra)
            except NoNodeError:
                pass
        self.loop(problems, body)

        def verdict():
            names = sorted(writer.get_children(base))
            found = []
            for what, holds in (
                    ("ChildrenWatch", lambda: children[0] == names),
                    ("DataWatch", lambda: data[0] == writer.get(base + "/n0")[0]),
                    ("TreeCache children", lambda: sorted(cache.get_children(base) or []) == names),
                    ("TreeCache data", lambda: all(
                        getattr(cache.get_data(base + "/" + n), "data", None) == writer.get(base + "/" + n)[0]
                        for n in names))):
                try:
                    eventually(holds, what + " shows the tree", 10)
                except AssertionError as error:
                    found.append(error)
            return found, "%d changes" % next(step)
        self.add("caches", problems, verdict)

    def run(self):
        locks, queues, groups = self.teams
        for build, team in ((self.lock, locks), (self.read_write_lock, locks), (self.semaphore, locks),
                            (self.election, locks), (self.queue, queues), (self.locking_queue, queues),
                            (self.counter, locks), (self.lease, groups), (self.party, groups),
                            (self.partitioner, groups), (self.caches, groups)):
            build(team)
        began = time.monotonic()
        ask("@storm " + STORM_ROUNDS)
        rounds = ask("@calm")
        clients = [c for team in self.teams for c in team]
        problems = []
        try:
            eventually(lambda: all(c.connected for c in clients), "all clients reconnected", 20)
        except AssertionError as error:
            problems.append(error)
        time.sleep(0.5)
        self.over.set()
        for thread in self.threads:
            thread.join(20)
        stuck = sum(thread.is_alive() for thread in self.threads)
        if stuck:
            problems.append("%d workers are stuck" % stuck)
            for number, frame in sys._current_frames().items():
                print("".join(traceback.format_stack(frame)), file=sys.stderr)
        if self.lost_sessions:
            problems.append("%d sessions were lost" % self.lost_sessions)
        report("storm.sessions", began, problems, "%s rounds, %d reconnects" % (
            rounds.split()[-1], sum(self.suspensions.values())))
        # The queue's verdict closes its clients, so it comes last.
        for name, problems, verdict in sorted(self.checks, key=lambda c: c[0] == "locking_queue"):
            began = time.monotonic()
            note = ""
            try:
                found, note = verdict()
                problems = problems + found
            except Exception as error:
                traceback.print_exc()
                problems = problems + ["%s: %s" % (type(error).__name__, error)]
            report("storm." + name, began, problems, note)


# ---- main ---------------------------------------------------------------------------------------------------

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

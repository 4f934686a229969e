"""Every recipe while the server is well."""

import datetime
import os
import threading
import time

from kazoo.exceptions import (BadVersionError, KazooException, LockTimeout, NoAuthError, NodeExistsError,
                              NoNodeError, NotEmptyError, RolledBackError, RuntimeInconsistency)
from kazoo.protocol.states import EventType
from kazoo.recipe.cache import TreeCache, TreeEvent
from kazoo.recipe.lease import MultiNonBlockingLease, NonBlockingLease
from kazoo.recipe.partitioner import SetPartitioner
from kazoo.security import CREATOR_ALL_ACL, READ_ACL_UNSAFE, make_digest_acl

from support import Guard, check, equal, eventually, in_threads, raises, sequence_of

CALM = []


def calm(function):
    CALM.append((function.__name__, function))
    return function


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
    inside = []

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
    eventually(lambda: len(events) >= 3, "each callback comes by itself")
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


@calm
def four_letter_words(site):
    client = site.client()
    equal(client.command(b"ruok"), "imok", "ruok")
    check("Zookeeper version: " in client.command(b"srvr"), "srvr")
    equal(client.server_version()[0], 3, "server_version, which reads envi")

"""Workers of every recipe on a few shared clients while the server is killed and restarted at random moments."""

import datetime
import random
import sys
import threading
import time
import traceback

from kazoo.client import KazooState
from kazoo.exceptions import (BadVersionError, ConnectionLoss, LockTimeout, NodeExistsError, NoNodeError,
                              SessionExpiredError)
from kazoo.recipe.cache import TreeCache
from kazoo.recipe.lease import MultiNonBlockingLease, NonBlockingLease
from kazoo.recipe.partitioner import SetPartitioner

from support import (ON_JAVA, RECONNECT_SECONDS, STORM_ROUNDS, STORM_SESSION_SECONDS, Guard, ask, check, equal, eventually,
                     report, say, sequence_of)


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
        problems, put, maybe, taken = [], [], [], []
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

        # kazoo renews a lease by deleting and creating it, so a holder that dies between loses it: none renews.
        def body(i):
            if i not in holders and NonBlockingLease(clients[i], self.root + "/lease", hour, "holder-%d" % i):
                holders.add(i)
            if 10 + i not in holders and MultiNonBlockingLease(clients[i], 1, self.root + "/leases", hour,
                                                               "holder-%d" % i):
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
            eventually(lambda: all(c.connected for c in clients), "all clients reconnected", RECONNECT_SECONDS)
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
        if self.lost_sessions and not ON_JAVA:
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
            if problems and self.lost_sessions and ON_JAVA:
                say("@skip storm.%s a session was lost to Java's start (see README): %s" % (name, problems[0]))
            else:
                report("storm." + name, began, problems, note)

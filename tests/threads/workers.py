"""The clients: each a thread with a session of its own that does what clients do, and checks what it is told."""

import collections
import random
import threading
import time
import traceback

from client import NO_SESSION, Client, Refused, create
from directory import Failure, require, servers, wire

SHARED = [f"/shared/n{i}" for i in range(6)]
WORDS = [b"ruok", b"srvr", b"stat", b"mntr", b"cons", b"conf", b"envi", b"dump", b"wchs", b"isro", b"nope"]
CHANGED = {1, 2, 3}  # the events of a data watch: created, deleted, changed
TIMEOUT_MS, SHORTEST_MS = 60_000, 500


class Checked(Client):
    """Zxids of replies never go back, from one connection of a session to the next either."""

    def __init__(self, *args, seen=0, **more):
        self.seen, self.received = seen, 0
        super().__init__(*args, **more)

    def receive(self, op):
        answer = super().receive(op)
        if op["op"] not in wire.FIXED_XID:
            self.received += 1
            require(self.last.xid == self.received, "reply", self.last.xid, "instead of", self.received, op)
            require(self.last.zxid >= self.seen, f"zxid {self.last.zxid:#x} after {self.seen:#x}: {op}")
            self.seen = self.last.zxid
        return answer

    def heard(self, path):
        return any(event.path == path and event.type in CHANGED for event in self.events)


class Worker(threading.Thread):
    def __init__(self, crowd, number):
        super().__init__(daemon=True)
        self.crowd, self.number = crowd, number
        self.rng = random.Random(f"{crowd.seed} {number}")
        self.home, self.turn = f"/w{number}", 0

    def run(self):
        try:
            self.client = self.connected()
            self.client.one(create(self.home))
            tasks = [self.own_writes, self.own_writes, self.watched, self.watched, self.multis, self.own_event, self.reads, self.recursive, self.ephemerals,
                     self.again, self.renewed, self.cut_off, self.expiry, self.words]
            while time.monotonic() < self.crowd.deadline and not self.crowd.failures:
                self.turn += 1
                task = self.rng.choice(tasks)
                task()
                self.crowd.counts[task.__name__] += 1
            self.client.drop()
        except (wire.Closed, Failure, wire.Malformed, Refused, OSError, AssertionError, IndexError) as e:
            self.crowd.failures.append(f"client {self.number}, turn {self.turn}: {type(e).__name__} {e}\n{''.join(traceback.format_tb(e.__traceback__)[-3:])}")

    def connected(self, session=NO_SESSION, seen=0, timeout_ms=TIMEOUT_MS):
        return Checked(self.crowd.port, timeout_ms, session, seen=seen)

    # -- What a client does

    def own_writes(self):
        """A burst of writes and reads: each read shows the write before it."""
        path, ops, texts = f"{self.home}/own{self.rng.randrange(4)}", [], []
        self.client.one(create(path))
        for i in range(12):
            texts.append(f"{self.turn}.{i}" * self.rng.randrange(1, 20))
            ops += [{"op": "setData", "path": path, "data": texts[-1], "version": -1}, {"op": "getData", "path": path}]
        answers = self.client.many(ops)
        for text, (_, written), (err, read) in zip(texts, answers[::2], answers[1::2]):
            require(err == 0 and read[0] == text.encode(), path, "reads", read, "after", text)
            require(read[1] == written[0], path, "stat", read[1], "after", written[0])

    def watched(self):
        """Others change the node as well: once a read shows that, the event has come."""
        path, client = self.rng.choice(SHARED), self.client
        client.events.clear()
        err, read = client.one({"op": "getData", "path": path, "watch": True})
        before = read[1].mzxid if err == 0 else None
        if err:
            err, _ = client.one({"op": "exists", "path": path, "watch": True})
            if err == 0:
                return
        for _ in range(self.rng.randrange(1, 30)):
            err, read = client.one({"op": "getData", "path": path})
            now = read[1].mzxid if err == 0 else None
            if now != before:
                require(client.heard(path), f"{path} is at {now} after {before}, and no event came before the reply")
                return

    def own_event(self):
        path, client = self.rng.choice(SHARED), self.client
        client.events.clear()
        client.one({"op": "exists", "path": path, "watch": True})
        op = self.rng.choice([create(path, "x"), {"op": "delete", "path": path, "version": -1}, {"op": "setData", "path": path, "data": str(self.turn), "version": -1}])
        if client.one(op)[0] == 0:
            require(client.heard(path), f"{op} is answered before its event")

    def multis(self):
        client, path = self.client, f"{self.home}/multi{self.turn}"
        parts = [create(path), create(path + "/a", "1"), {"op": "setData", "path": path + "/a", "data": "2", "version": 0}, {"op": "check", "path": path, "version": 0}]
        client.must({"op": "multi", "ops": parts})
        bad = client.one({"op": "multi", "ops": [{"op": "delete", "path": path + "/a", "version": -1}, {"op": "check", "path": path, "version": 9}]})
        require(bad[1][0][0] == "error", "a multi with a wrong version:", bad)
        read = client.must({"op": "multiRead", "ops": [{"op": "getData", "path": path + "/a"}, {"op": "getChildren", "path": path}]})
        require(read[0][2] == b"2" and read[1][2] == ["a"], "multiRead:", read)
        client.must({"op": "multi", "ops": [{"op": "delete", "path": path + "/a", "version": 1}, {"op": "delete", "path": path, "version": 0}]})
        require(client.one({"op": "exists", "path": path})[0] == -101, path, "is still there")

    def reads(self):
        client = self.client
        ops = [{"op": "getChildren2", "path": "/", "watch": True}, {"op": "getACL", "path": "/shared"}, {"op": "getAllChildrenNumber", "path": "/"}, {"op": "ping"},
               {"op": "getEphemerals", "path": "/"}, {"op": "sync", "path": "/"}, {"op": "getData", "path": "/none", "watch": True}, {"op": "whoAmI"}]
        answers = [client.one(op) for op in self.rng.choices(ops, k=10) if op["op"] != "ping"]
        require(all(err in (0, -101) for err, _ in answers), answers)

    def recursive(self):
        """A persistent recursive watch tells every change below, in order, before the answer."""
        client, path = self.client, f"{self.home}/tree{self.turn}"
        client.must({"op": "addWatch", "path": path, "mode": 1})
        client.events.clear()
        client.must(create(path))
        names = [path] + [f"{path}/{i}" for i in range(5)]
        for name in names[1:]:
            client.must(create(name, flags=self.rng.choice([0, 1])))
        require([e.path for e in client.events if e.path.startswith(path)] == names, "events", client.events)
        for name in reversed(names):
            client.must({"op": "delete", "path": name, "version": -1})
        require([e.path for e in client.events if e.path.startswith(path)] == names + names[::-1], "events", client.events)
        client.must({"op": "removeWatches", "path": path, "type": 3})

    def ephemerals(self):
        client = self.client
        made = [client.must(create(f"{self.home}/e-", flags=3))[0] for _ in range(4)]
        require(set(made) <= set(client.must({"op": "getEphemerals", "path": self.home})[0]), "ephemerals", made)
        for path in made[1:]:
            client.must({"op": "delete", "path": path, "version": -1})
        client.one(create(f"{self.home}/container", op="createContainer", flags=4))  # the reaper takes it
        client.one(create(f"{self.home}/container/x"))
        client.one({"op": "delete", "path": f"{self.home}/container/x", "version": -1})

    def again(self):
        """The connection is lost; the session goes on, with its ephemerals and its watches set anew."""
        path = self.client.must(create(f"{self.home}/keeps-", flags=3))[0]
        self.client.drop()
        self.client = self.connected(self.client.session, self.client.seen)
        require(path in self.client.must({"op": "getEphemerals", "path": "/"})[0], path, "was lost")
        self.client.must({"op": "setWatches2", "since": self.client.seen, "data_paths": SHARED[:2], "exist_paths": [], "child_paths": ["/"],
                          "persistent_paths": [], "recursive_paths": ["/shared"]})

    def renewed(self):
        """The session is closed: its ephemerals are gone at once."""
        path = self.client.must(create(f"{self.home}/closes-", flags=3))[0]
        old = self.client.session
        self.client.close()
        self.client = self.connected(seen=self.client.seen)
        require(self.client.one({"op": "exists", "path": path})[0] == -101, path, "outlives its session")
        try:
            self.connected(old)
            raise Failure("a closed session is resumed")
        except Refused:
            pass

    def cut_off(self):
        """Gone in the midst of a burst."""
        for i in range(30):
            self.client.send(self.rng.choice([create(f"{self.home}/cut-", flags=3), {"op": "getData", "path": self.rng.choice(SHARED), "watch": True},
                                              {"op": "setData", "path": self.rng.choice(SHARED), "data": "cut" * i, "version": -1}]))
        self.client.drop()
        self.client = self.connected(self.client.session, self.client.seen)
        for path in self.client.must({"op": "getEphemerals", "path": self.home})[0]:
            self.client.one({"op": "delete", "path": path, "version": -1})

    def expiry(self):
        short = self.connected(timeout_ms=SHORTEST_MS)
        path = short.must(create(f"{self.home}/short-", flags=3))[0]
        short.drop()
        deadline = time.monotonic() + 40
        while self.client.one({"op": "exists", "path": path, "watch": True})[0] == 0:
            require(time.monotonic() < deadline, path, "outlives a session that expired")
            time.sleep(0.05)
        try:
            self.connected(short.session)
            raise Failure("an expired session is resumed")
        except Refused:
            pass

    def words(self):
        for word in self.rng.sample(WORDS, 3):
            answer = servers.four_letters(self.crowd.port, word)
            require(word != b"ruok" or answer == b"imok", word, answer)


class Crowd:
    def __init__(self, port, workers, seed):
        self.port, self.seed = port, seed
        self.failures, self.counts = [], collections.Counter()
        self.workers = [Worker(self, i) for i in range(workers)]

    def run(self, seconds):
        with Client(self.port) as client:
            client.must(create("/shared"))
            for path in SHARED:
                client.must(create(path))
        self.deadline = time.monotonic() + seconds
        for worker in self.workers:
            worker.start()
        for worker in self.workers:
            worker.join(seconds + 90)
            if worker.is_alive():
                self.failures.append(f"client {worker.number} hangs in turn {worker.turn}")
        # What the last sessions left goes with them: let it happen before anyone compares.
        for worker in self.workers:
            if not worker.is_alive() and not self.failures:
                Client(self.port, TIMEOUT_MS, worker.client.session).close()

    def told(self):
        return f"{sum(self.counts.values())} turns ({', '.join(f'{n} {name}' for name, n in sorted(self.counts.items()))})"

"""A mixed load that leaves every kind of node, transaction, ACL and session behind, on either kind of server."""

import collections
import time

from client import OPEN, SUPER, Client, create
from directory import Failure, require, wire
import generate  # noqa: E402  (beside wire.py)

USERS = ["bob:pw", "alice:x"]
TIMEOUTS_MS = [120_000, 300_000, 3_600_000]
SHORTEST_MS = 600
NAMES = ["n0", "n1", "n2", "n3", "n4", "n\u00e9", "\u6f22\u5b57", "n 5"]
TTL_MAX = 0xFFFFFFFFFF
BURST = 25


class Session:
    """What must be there after a restart."""

    def __init__(self, client):
        self.sid, self.password = client.session
        self.timeout_ms = client.timeout_ms


class Load:
    """`live` and `closed` sessions carry over from one server to the next."""

    def __init__(self, rng):
        self.rng, self.generation = rng, 0
        self.live, self.closed, self.counts = [], [], collections.Counter()

    def run(self, port, operations):
        """One generation; in the end nobody is connected, and nothing happens by itself any more."""
        self.generation += 1
        self.port, self.root = port, f"/g{self.generation}"
        self.paths = ["/shared", self.root]
        self.clients = [self.open() for _ in range(4)]
        self.every_kind(self.clients[0])
        self.expiring()
        self.random(operations)
        self.closing()
        for client in self.clients:
            client.drop()
        self.await_expired()

    # -- Sessions

    def open(self):
        client = Client(self.port, self.rng.choice(TIMEOUTS_MS), auths=self.rng.sample(USERS, self.rng.randrange(3)))
        self.live.append(Session(client))
        return client

    def close(self, client):
        client.close()
        session = next(s for s in self.live if s.sid == client.session[0])
        self.live.remove(session)
        self.closed.append(session)

    def resume(self, client):
        client.drop()
        session = next(s for s in self.live if s.sid == client.session[0])
        resumed = Client(self.port, session.timeout_ms, client.session)
        require(resumed.session == client.session, "a session was not resumed")
        return resumed

    def expiring(self):
        client = Client(self.port, SHORTEST_MS)
        self.closed.append(Session(client))
        self.doomed = [f"{self.root}/doomed-{i}" for i in range(3)]
        for path in self.doomed:
            client.must(create(path, "gone soon", flags=1))
        client.drop()

    def await_expired(self):
        deadline = time.monotonic() + 30
        with Client(self.port) as client:
            while any(client.one({"op": "exists", "path": path})[0] == 0 for path in self.doomed):
                if time.monotonic() > deadline:
                    raise Failure("an expired session's ephemerals stay")
                time.sleep(0.1)

    def closing(self):
        """A session that is closed with ephemerals, and one that stays without any."""
        client = self.open()
        for i in range(20):
            client.must(create(f"{self.root}/closed-{i}", flags=1))
        self.close(client)
        self.open().drop()

    # -- Each kind once

    def every_kind(self, client):
        root, must = self.root, client.must
        bob = Client(self.port, 300_000, auths=["bob:pw", "alice:x"])
        self.live.append(Session(bob))
        client.one(create("/shared"))
        must(create(root, None))
        must(create(root + "/empty", ""))
        must(create(root + "/null", None, op="create2"))
        must(create(root + "/binary", bytes(range(256)) * 40))
        must(create(root + "/container", "c", flags=4, op="createContainer"))
        must(create(root + "/container/used"))
        must({"op": "delete", "path": root + "/container/used", "version": -1})
        must(create(root + "/ttl", "t", flags=5, op="createTTL", ttl=TTL_MAX))
        must(create(root + "/ttl-", "t", flags=6, op="createTTL", ttl=TTL_MAX - 1))
        for flags, name in ((1, "ephemeral"), (2, "sequence-"), (2, "sequence-"), (3, "both-")):
            must(create(f"{root}/{name}", name, flags=flags))
        must(create(root + "/", "the name is the number", flags=2))
        path = root + "/deep"
        for depth in range(120):
            must(create(path, str(depth)))
            path += "/d"
        must(create(root + "/" + "l" * 2000, "a long name"))
        for i, acl in enumerate(generate.GOOD_ACLS):
            must(create(f"{root}/acl{i}", "x", acl))
        bob.must(create(root + "/acl-auth", "x", [(31, "auth", "")]))
        bob.must({"op": "setACL", "path": root + "/acl-auth", "acl": [(31, "auth", ""), (1, "ip", "10.0.0.0/8")], "version": 0})
        must({"op": "setACL", "path": root + "/empty", "acl": generate.GOOD_ACLS[4], "version": -1})
        self.quotas(client)
        good = [create(root + "/multi"), create(root + "/multi/a", None, flags=1), {"op": "setData", "path": root + "/multi", "data": "v", "version": 0},
                create(root + "/multi/c", flags=4, op="createContainer"), {"op": "check", "path": root + "/multi", "version": 1},
                create(root + "/multi/gone"), {"op": "delete", "path": root + "/multi/gone", "version": 0},
                create(root + "/multi/t", "", flags=5, op="createTTL", ttl=TTL_MAX), create(root + "/multi/s-", "", flags=3, op="create2")]
        require(must({"op": "multi", "ops": good})[0][0] == 1, "a multi failed")
        client.one({"op": "multi", "ops": [create(root + "/never"), {"op": "delete", "path": root + "/absent", "version": -1}, create(root + "/never2")]})
        client.one({"op": "multi", "ops": []})
        require(client.one({"op": "exists", "path": root + "/never"})[0] == -101, "a failed multi left something")
        with Client(self.port, auths=SUPER) as client:
            client.must({"op": "setACL", "path": root + "/acl3", "acl": OPEN, "version": 0})
            client.must({"op": "setData", "path": "/", "data": f"generation {self.generation}", "version": -1})
            client.must({"op": "setACL", "path": "/zookeeper", "acl": generate.GOOD_ACLS[9], "version": -1})
        bob.drop()

    def quotas(self, client):
        root = self.root
        for name, limits in (("q1", "count=3,bytes=60"), ("q2", "count=100000,bytes=-1")):
            client.must(create(f"{root}/{name}"))
            client.must(create(f"{root}/{name}/before", "12345"))
            path = "/zookeeper/quota"
            for part in f"{root}/{name}"[1:].split("/"):
                path += "/" + part
                client.one(create(path))
            client.must(create(path + "/zookeeper_limits", limits))
            client.must(create(path + "/zookeeper_stats", "count=2,bytes=5"))
            for i in range(4):
                client.must(create(f"{root}/{name}/x{i}", "y" * 10 * i))
            client.must({"op": "setData", "path": f"{root}/{name}/x1", "data": "longer than before", "version": -1})
            client.must({"op": "setData", "path": f"{root}/{name}/x2", "data": None, "version": -1})
            client.must({"op": "delete", "path": f"{root}/{name}/x3", "version": -1})
        self.paths.append(root + "/q2")

    # -- And at random

    def random(self, operations):
        done = 0
        while done < operations:
            self.step()
            done += BURST

    def step(self):
        rng, number = self.rng, self.rng.randrange(len(self.clients))
        dice = rng.random()
        if dice < 0.03:
            self.close(self.clients[number])
            self.clients[number] = self.open()
        elif dice < 0.06:
            self.clients[number] = self.resume(self.clients[number])
        ops = [self.operation() for _ in range(BURST)]
        for op, (err, values) in zip(ops, self.clients[number].many(ops)):
            self.learn(op, err, values)

    def learn(self, op, err, values):
        self.counts[op["op"], err == 0] += 1
        if err == 0 and op["op"] in wire.CREATES and len(self.paths) < 400:
            self.paths.append(values[0])
        if op["op"] == "delete" and err in (0, -101) and op["path"] in self.paths[3:]:
            self.paths.remove(op["path"])

    def operation(self, depth=0):
        rng = self.rng
        kind = rng.choices(["create", "delete", "setData", "setACL", "multi", "exists"], [10, 5, 6, 1.5, 0 if depth else 2, 0 if depth else 1])[0]
        path = rng.choice(self.paths)
        if kind == "create":
            return self.creation(path)
        if kind == "delete":
            return {"op": "delete", "path": path if path not in self.paths[:3] else path + "/n0", "version": rng.choice([-1, -1, -1, 0, 1])}
        if kind == "setData":
            return {"op": "setData", "path": path, "data": self.data(), "version": rng.choice([-1, -1, -1, 0, 1])}
        if kind == "setACL" and not depth:
            acl = rng.choice(generate.GOOD_ACLS) if path not in self.paths[:3] else OPEN
            return {"op": "setACL", "path": path, "acl": acl, "version": rng.choice([-1, 0])}
        if kind == "multi":
            return {"op": "multi", "ops": [self.operation(1) for _ in range(rng.randrange(1, 5))]}
        return {"op": "check" if depth else "exists", "path": path, "version": -1}

    def creation(self, parent):
        rng = self.rng
        flags = rng.choice([0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6])
        acl = rng.choice(generate.GOOD_ACLS) if rng.random() < 0.15 else OPEN
        path, data = f"{parent}/{rng.choice(NAMES)}", self.data()
        if flags >= 5:
            return create(path, data, acl, flags, "createTTL", ttl=rng.choice([TTL_MAX, 10_000_000_000]))
        return create(path, data, acl, flags, "createContainer" if flags == 4 else rng.choice(["create", "create2"]))

    def data(self):
        rng = self.rng
        return rng.choice([None, "", "x", "\x00\xff\x80", "d" * rng.randint(2, 300), bytes(rng.randrange(256) for _ in range(rng.randint(1, 60)))])

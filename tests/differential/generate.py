"""Random steps. A small namespace, so that collisions and every error are frequent; the model says what would succeed.

An operation is built for an intent, (operation, wanted error): most intents are "succeed", and a part of the steps goes
to the pair of the coverage table that is still scarcest. What comes back decides; an intent is only a direction.
"""

from model import ADMIN, ALL, CREATE, DELETE, OPEN, READ, WRITE, digest_id, parent_of

USERS = ["bob:pw", "alice:x", "noColon"]
BOB = list(digest_id("bob:pw"))
ROOTS = ["/a", "/b", "/c", "/ro", "/blind", "/bob", "/ip", "/q1", "/q2"]
SETUP_ACLS = {
    "/ro": [[READ, "world", "anyone"], [ALL, *BOB]], "/blind": [[ALL - READ, "world", "anyone"]],
    "/bob": [[ALL, *BOB]], "/ip": [[ALL, "ip", "127.0.0.1"]],
}
GOOD_ACLS = [
    [[ALL, "world", "anyone"]], [[READ, "world", "anyone"]], [[ALL, *BOB]], [[ALL, "ip", "127.0.0.1"]], [[ALL, "ip", "127.0.0.0/8"]],
    [[ALL - READ, "world", "anyone"]], [[READ | CREATE, "world", "anyone"], [ALL, *BOB]], [[99, "world", "anyone"]], [[0, "world", "anyone"]],
    [[ALL, "world", "anyone"], [ALL, "world", "anyone"]], [[READ | ADMIN, "world", "anyone"], [WRITE, "ip", "10.0.0.0/8"]],
    [[ADMIN | DELETE, "world", "anyone"], [READ, "ip", "127.0.0.1"]], [[ALL, "digest", "alice:hash"], [READ | WRITE | ADMIN, "world", "anyone"]],
    [[READ, *BOB], [ALL, "world", "anyone"]],
]
BAD_ACLS = [
    [], [[ALL, "world", "someone"]], [[ALL, None, "x"]], [[ALL, "nosuch", "x"]], [[ALL, "digest", "bob"]], [[ALL, "digest", "a:b:c"]], [[ALL, "digest", "a:"]],
    [[ALL, "ip", "1.2.3"]], [[ALL, "ip", "10.0.0.0/33"]], [[ALL, "ip", "127.0.0.1/"]], [[ALL, "super", ""]], [[ALL, "world", "anyone"], [1, "digest", ""]],
]
BAD_PATHS = ["/a//x", "/a/./x", "/a/../x", "/a/x\x01y", "/a/\x7f", "/a/\uf8ff", "/a/\ufff3", "noslash", "", "/a/x\x00y", "/a/x/", "//"]
NEVER_DELETED = ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config", "noslash", "", "/a/\x00"]
LIMIT = 220  # nodes; beyond it deletes are preferred
SESSION_MS = 3_600_000

# How often each kind of operation is wanted.
WEIGHTS = {
    "create": 13, "create2": 6, "createContainer": 4, "createTTL": 4, "delete": 14, "setData": 14, "setACL": 5, "multi": 12, "reconfig": 0.3,
    "exists": 6, "getData": 7, "getACL": 3, "getChildren": 4, "getChildren2": 4, "getAllChildrenNumber": 2, "multiRead": 3, "sync": 1, "ping": 1,
    "getEphemerals": 2, "whoAmI": 1, "addWatch": 2.5, "removeWatches": 3, "checkWatches": 2, "setWatches": 1.5, "setWatches2": 1.5,
    "auth": 0.6, "sasl": 0.2, "unknown": 0.3, "closeSession": 0.5,
}
ALONE = {"auth", "sasl", "unknown"}  # answered before the pipeline: may overtake what a burst sent earlier
# Nothing after these in a burst. setACL: Java checks later requests against the old list until the new one is applied.
# multi: Java's roll-back of a failed one races with the applying of what went before; once in some 80,000 operations a creation
# pipelined right behind then counts twice in its parent's cversion (observed on 3.8.0).
ENDING = {"closeSession", "setACL", "multi"}


def touches_quota(op):
    """Quotas are checked against applied statistics, so two such writes in one burst would race in Java."""
    return any(touches_quota(sub) for sub in op["ops"]) if "ops" in op else (op.get("path") or "").startswith(("/q", "/zookeeper/quota"))


def half_ephemeral(op):
    """A container with an ephemeral flag: while it is in flight, Java's closeSession takes it for an ephemeral."""
    return op["op"] == "createContainer" and op["flags"] in (1, 3)


class Generator:
    def __init__(self, rng, model, coverage):
        self.rng, self.model, self.coverage = rng, model, coverage
        self.features = set()
        self.greed = 0.25  # the share of steps that go to the scarcest pair
        self.names = list(WEIGHTS)
        self.weights = list(WEIGHTS.values())
        self.paths, self.age = ["/"], 0

    # --- steps ---

    def setup(self):
        """The tree every phase starts from, made by slot 0, the administrator."""
        yield {"do": "open", "slot": 0, "timeout": SESSION_MS}
        yield {"slot": 0, "ops": [{"op": "auth", "scheme": "digest", "auth": "super:secret"}]}
        yield {"slot": 0, "ops": [self._make(path, SETUP_ACLS.get(path, OPEN)) for path in ROOTS]}
        yield {"slot": 0, "ops": [self._make(f"{path}/n{i}", acl) for path in ("/ro", "/blind", "/bob", "/ip")
                                  for i, acl in enumerate([OPEN, [[READ, "world", "anyone"]], [[ALL - READ, "world", "anyone"]], [[ALL, *BOB]]])]}
        if "quota" in self.features:
            for path in ("/q1", "/q2"):
                yield {"slot": 0, "ops": self._quota(path, "count=5,bytes=100=;byteHardLimit=60;countHardLimit=6")}

    @staticmethod
    def _make(path, acl, data="", flags=0):
        return {"op": "create", "path": path, "data": data, "acl": acl, "flags": flags}

    def _quota(self, path, text):
        at = "/zookeeper/quota" + path
        return [self._make(at, OPEN), self._make(at + "/zookeeper_limits", OPEN, text), self._make(at + "/zookeeper_stats", OPEN, "count=0,bytes=0")]

    def step(self):
        self._refresh()
        number = self.rng.randrange(len(self.model.slots))
        slot = self.model.slots[number]
        if not slot.up:
            return self._connect(number)
        wanted = self.coverage.scarcest(self.features, self.rng) if self.rng.random() < self.greed else None
        if wanted and wanted[0] in ("open", "resume", "bad_password", "bad_session", "future_zxid", "bad_frame", "bad_connect", "bare_check"):
            return self._connection_step(wanted[0], number)
        if self.rng.random() < 0.006:
            return self._connection_step(self.rng.choice(["resume", "drop", "bad_password", "bad_session", "future_zxid", "bad_frame", "bad_connect", "bare_check"]), number)
        if wanted and wanted[1] == -124:
            if any(scheme == "digest" for scheme, _ in slot.ids):
                return {"do": "resume", "slot": number, "timeout": SESSION_MS}
            return {"slot": number, "ops": [self.operation(wanted[0], 0, number)]}
        if "enforced" in self.features and not any(scheme == "digest" for scheme, _ in slot.ids) and self.rng.random() < 0.9:
            return {"slot": number, "ops": [{"op": "auth", "scheme": "digest", "auth": self.rng.choice(USERS)}]}
        size = 1 if self.rng.random() < 0.4 else self.rng.randint(2, 16)
        ops = [self.wanted(wanted, number)] if wanted else []
        while len(ops) < size and not (ops and ops[-1]["op"] in ALONE | ENDING):
            op = self.any_operation(number)
            if ops and (op["op"] in ALONE or touches_quota(op) and any(map(touches_quota, ops))):
                break
            if op["op"] == "closeSession" and any(map(half_ephemeral, ops)):
                break
            ops.append(op)
        return {"slot": number, "ops": ops}

    def _refresh(self):
        self.age += 1
        if self.age % 8 == 1:
            self.paths = sorted(self.model.nodes)

    def _connect(self, number):
        slot, rng = self.model.slots[number], self.rng
        if slot.session and rng.random() < 0.8:
            return {"do": "resume", "slot": number, "timeout": SESSION_MS, "since": rng.choice([0, self.model.position])}
        if slot.session:  # abandon the session: ended by its owner, so that both servers end it at the same point
            return {"do": "resume", "slot": number, "timeout": SESSION_MS}
        return {"do": "open", "slot": number, "timeout": SESSION_MS, "read_only": rng.choice([False, False, True, None]),
                "version": rng.choice([0, 0, 5]), "password": rng.choice(["00" * 16, "00" * 16, None, "", "01"])}

    def _connection_step(self, kind, number):
        rng = self.rng
        if kind == "open":
            return {"slot": number, "ops": [{"op": "closeSession"}]}
        if kind in ("resume", "drop"):
            step = {"do": kind, "slot": number}
            return step if kind == "drop" else {**step, "timeout": SESSION_MS}
        if kind == "bare_check":
            return {"do": kind, "slot": number, "ops": [self.operation("check", 0, number)]}
        if kind == "bad_password":
            return {"do": kind, "slot": number, "password": "11" * 16}
        if kind == "bad_session":
            return {"do": kind, "sid": rng.choice(["7777777", "1", "-5"]), "password": rng.choice(["00" * 16, "22" * 16])}
        if kind == "future_zxid":
            return {"do": kind, "ahead": rng.choice([1, 1000, 1 << 40])}
        if kind == "bad_frame":
            return {"do": kind, "slot": number, "hex": rng.choice(["ffffffff", "00000000", "7fffffff", "00100000", "0000000400000001", "0000000700000001000000"])}
        return {"do": "bad_connect", "hex": rng.choice(["ffffffff", "00000000", "61626364", "00000004" + "00" * 4, "00000014" + "00" * 20, "00100000" + "00" * 16])}

    # --- operations ---

    def any_operation(self, number):
        name = self.rng.choices(self.names, self.weights)[0]
        if name in ("create", "create2", "createContainer", "createTTL") and len(self.paths) > LIMIT:
            name = "delete"
        rng = self.rng
        if rng.random() < 0.72:
            return self.operation(name, 0, number)
        return self.operation(name, rng.choice([-5, -6, -8, -101, -102, -103, -108, -110, -111, -114, -115, -121, -125, 0]), number)

    def wanted(self, pair, number):
        name, err = pair
        if not name.startswith("multi") or "." not in name:
            return self.operation(name, err, number)
        outer, sub = name.split(".")
        if sub in ("before", "after"):
            sub, err = "delete", -101
        return self._many(outer, number, [self.operation(sub, err, number)])

    def operation(self, name, err, number):
        op = getattr(self, "_op_" + name)(err, number)
        if err == -5 and "cut" not in op and name not in ("multi", "multiRead", "auth", "sasl"):
            op["cut"] = self.rng.choice([1, 1, 2, 5])
        elif self.rng.random() < 0.01 and name not in ("sasl", "auth", "multi", "multiRead"):
            op["tail"] = "00ff"
        return op

    def _pick(self, accept=lambda path, node: True, tries=30):
        """A random existing path that suits, or None."""
        for _ in range(tries):
            path = self.rng.choice(self.paths)
            node = self.model.nodes.get(path)
            if node is not None and not path.startswith("/zookeeper") and accept(path, node):
                return path
        return None

    def _node(self, number, perms, has, tries=30):
        """An existing path on which the slot has (or lacks) a permission; roots are left alone."""
        path = self._pick(lambda p, n: p.count("/") > 1 and self.model.may(number, p, perms) == has, tries)
        return path or ("/a/n0" if has else "/bob/n3")

    def _missing(self):
        return self.rng.choice(["/a", "/b", "/ip", "/nowhere", "/a/n0", "/c/n1"]) + "/" + self.rng.choice(["x0", "x1", "x2"])

    def _any_path(self):
        if self.rng.random() < 0.1:
            return self.rng.choice(["", "/", "/zookeeper", "/zookeeper/config", "/zookeeper/quota", "noslash", "/a/", "//"])
        return self._pick(tries=1) or self._missing()

    def _data(self):
        rng = self.rng
        return rng.choice([None, "", "x", "\x00\xff\x80", "d" * rng.randint(2, 40), "big" * rng.randint(1, 400)])

    def _fresh_child(self, parent):
        taken = self.model.nodes[parent].children if parent in self.model.nodes else ()
        free = [n for n in ("n0", "n1", "n2", "n3", "n4", "n5", "n\u00e9") if n not in taken]
        return (parent if parent != "/" else "") + "/" + (self.rng.choice(free) if free else f"m{self.rng.randrange(1000)}")

    def _create(self, name, err, number, flags, ttl=None):
        rng = self.rng
        acl = rng.choice(GOOD_ACLS) if rng.random() < 0.35 else OPEN
        if rng.random() < 0.05 and any(s == "digest" for s, _ in self.model.slots[number].ids):
            acl = [[ALL, "auth", ""]]
        parent = self._pick(lambda p, n: not n.owner and p.count("/") < 5 and self.model.may(number, p, CREATE), 12) or "/a"
        if parent.startswith("/q"):
            parent = parent if rng.random() < 0.3 else "/b"
        path = self._fresh_child(parent)
        if flags in (2, 3, 6) and rng.random() < 0.3:
            path = parent + "/"
        data = self._data()
        if err == -5:
            if rng.random() < 0.3:
                return {"op": name, "path": None, "data": "", "acl": OPEN, "flags": flags, **({} if ttl is None else {"ttl": ttl}), "cut": 0}
        elif err == -6:
            flags, ttl = rng.choice([5, 6]), None if ttl is None else 1000
        elif err == -8:
            if rng.random() < 0.5:
                path, flags = rng.choice(BAD_PATHS), flags if flags not in (2, 3) else 0
            else:
                flags = rng.choice([7, -1, 100, 1 << 30])
        elif err == -114:
            acl = rng.choice([*BAD_ACLS, None])
            if rng.random() < 0.1 and not any(s == "digest" for s, _ in self.model.slots[number].ids):
                acl = [[ALL, "auth", ""]]
        elif err == -101:
            path = self._missing() + "/y"
        elif err == -102:
            path = self._fresh_child(self._pick(lambda p, n: not self.model.may(number, p, CREATE)) or "/bob")
        elif err == -110:
            path = self._pick(lambda p, n: self.model.may(number, parent_of(p), CREATE)) or "/a"
            flags = {2: 0, 3: 1, 6: 5}.get(flags, flags)
        elif err == -108:
            path = (self._pick(lambda p, n: n.owner and self.model.may(number, p, CREATE), 200) or "/a/e0") + "/c"
            if path == "/a/e0/c":
                return {"op": "create", "path": "/a/e0", "data": "", "acl": OPEN, "flags": 1}
        elif err == -125:
            path, data = rng.choice(["/q1", "/q2"]) + f"/o{rng.randrange(3)}", "o" * 70
        op = {"op": name, "path": path, "data": data, "acl": acl, "flags": flags}
        return op if ttl is None else {**op, "ttl": ttl}

    def _op_create(self, err, number):
        return self._create("create", err, number, self.rng.choice([0, 0, 0, 1, 1, 2, 3, 4]))

    def _op_create2(self, err, number):
        return self._create("create2", err, number, self.rng.choice([0, 0, 0, 1, 1, 2, 3, 4]))

    def _op_createContainer(self, err, number):
        return self._create("createContainer", err, number, self.rng.choice([4, 4, 4, 0, 1, 2, 3]))

    def _op_createTTL(self, err, number):
        rng = self.rng
        if err == -8 and rng.random() < 0.5:  # never a non-TTL mode with a negative ttl: that ends the Java server
            flags, ttl = rng.choice([(5, 0), (5, -1), (6, 0xFFFFFFFFFF + 1), (0, 0), (1, 5000), (4, 1000), (2, 1)])
            return {"op": "createTTL", "path": "/a/ttl", "data": "", "acl": OPEN, "flags": flags, "ttl": ttl}
        op = self._create("createTTL", err, number, rng.choice([5, 5, 6]), rng.choice([1, 1000, 0xFFFFFFFFFF]))
        return {**op, "ttl": op["ttl"] or 1} if op["op"] == "createTTL" else op

    def _op_delete(self, err, number):
        rng, model = self.rng, self.model
        op = {"op": "delete", "path": None, "version": -1}
        deletable = lambda p, n: p.count("/") > 1 and model.may(number, parent_of(p), DELETE)
        if err == -8:
            op["path"] = rng.choice(NEVER_DELETED)
        elif err == -101:
            op["path"] = rng.choice([self._missing(), self._missing() + "/z", "/a/"])
        elif err == -102:
            op["path"] = self._pick(lambda p, n: p.count("/") > 1 and not model.may(number, parent_of(p), DELETE)) or "/bob/n3"
        elif err == -103:
            op.update(path=self._pick(deletable) or "/a", version=rng.choice([77, -2, 1 << 30]))
        elif err == -111:
            op["path"] = self._pick(lambda p, n: n.children and model.may(number, parent_of(p), DELETE)) or "/a"
        elif err == -5 and rng.random() < 0.3:
            op["cut"] = 0
        else:
            path = self._pick(lambda p, n: deletable(p, n) and not n.children, 60)
            op["path"] = path or self._missing()
            if path and rng.random() < 0.3:
                op["version"] = model.nodes[path].version
        return op

    def _op_setData(self, err, number):
        rng = self.rng
        op = {"op": "setData", "path": None, "data": self._data(), "version": -1}
        if err == -8:
            op["path"] = rng.choice(BAD_PATHS)
        elif err == -101:
            op["path"] = self._missing()
        elif err == -102:
            op["path"] = rng.choice([self._node(number, WRITE, False), "/zookeeper/config"])
        elif err == -103:
            op.update(path=self._node(number, WRITE, True), version=rng.choice([77, -2, 1 << 30]))
        elif err == -125:
            op.update(path=rng.choice(["/q1", "/q2"]), data="q" * rng.randint(61, 90), version=rng.choice([-1, 77]))
        elif err == -5 and rng.random() < 0.3:
            op["cut"] = 0
        else:
            path = self._pick(lambda p, n: self.model.may(number, p, WRITE) and not p.startswith("/q")) or "/a"
            op.update(path=path, version=rng.choice([-1, -1, self.model.nodes[path].version]))
            if rng.random() < 0.02:
                op.update(path="/", version=-1)
        return op

    def _op_setACL(self, err, number):
        rng = self.rng
        acl = rng.choice(GOOD_ACLS) if rng.random() < 0.5 else OPEN
        path = self._node(number, ADMIN, True)
        node = self.model.nodes.get(path)
        op = {"op": "setACL", "path": path, "acl": acl, "version": rng.choice([-1, -1, node.aversion if node else -1])}
        if err == -8:
            op["path"] = rng.choice(BAD_PATHS)
        elif err == -114:
            op["acl"] = rng.choice([*BAD_ACLS, None])
        elif err == -101:
            op["path"] = self._missing()
        elif err == -102:
            op["path"] = self._node(number, ADMIN, False)
        elif err == -103:
            op["version"] = rng.choice([77, -2])
        return op

    def _op_check(self, err, number):
        op = {"op": "check", "path": self._node(number, READ, True), "version": -1}
        if err == -8:
            op["path"] = self.rng.choice(BAD_PATHS)
        elif err == -101:
            op["path"] = self._missing()
        elif err == -102:
            op["path"] = self._node(number, READ, False)
        elif err == -103:
            op["version"] = 77
        elif op["path"] in self.model.nodes and self.rng.random() < 0.5:
            op["version"] = self.model.nodes[op["path"]].version
        return op

    def _many(self, outer, number, extra=()):
        rng = self.rng
        if outer == "multiRead":
            subs = [self._sub_read(number) for _ in range(rng.randrange(4))]
        else:
            names = rng.choices(["create", "create2", "createContainer", "createTTL", "delete", "setData", "check"], [5, 3, 2, 2 if "typed" in self.features else 0, 3, 5, 3],
                                k=rng.randrange(5))
            subs = [self.operation(n, 0, number) for n in names]
        for op in extra:
            subs.insert(rng.randint(0, len(subs)), op)
        for sub in subs:  # a cut or trailing bytes would shift everything behind it
            sub.pop("tail", None)
            sub.pop("cut", None)
            if sub["op"] == "createContainer" and sub["flags"] in (0, 1, 2, 3):
                sub["flags"] = 4  # 3.8.0 takes the kind of node from the flags alone, 3.9 does not: poison.py asks the target
        return {"op": outer, "ops": subs}

    def _sub_read(self, number):
        return {"op": self.rng.choice(["getData", "getChildren"]), "path": self._any_path(), "watch": self.rng.random() < 0.3}

    def _op_multi(self, err, number):
        rng = self.rng
        if err == -5:
            op = self._many("multi", number, [self.operation("delete", 0, number)])
            spoiler = rng.choice(["cut", {"op": "setACL", "path": "/a", "acl": OPEN, "version": -1}, {"op": "getACL", "path": "/a"}, {"op": "sync", "path": "/a"},
                                  {"op": "getData", "path": "/a", "watch": False}, {"op": "unknown", "code": 999, "hex": ""}])
            if spoiler == "cut":
                return {**op, "cut": rng.choice([1, 9, 12])}
            op["ops"].insert(rng.randint(0, len(op["ops"])), spoiler)
            return op
        if err == 0 or rng.random() < 0.3:
            return self._many("multi", number)
        name = rng.choice(["create", "create2", "createContainer", "createTTL", "delete", "setData", "check"])
        return self._many("multi", number, [self.operation(name, err if err not in (-115, -121, -5) else -101, number)])

    def _op_multiRead(self, err, number):
        op = self._many("multiRead", number)
        if err == -5:
            op["ops"].append({"op": "delete", "path": "/a/x0", "version": -1})
        return op

    def _op_reconfig(self, err, number):
        return {"op": "reconfig", "join": None, "leave": "2", "members": None, "config": -1}

    def _read(self, name, err, number):
        if err == -101:
            path = self._missing()
        elif err == -102:
            path = self._node(number, READ | (ADMIN if name == "getACL" else 0), False)
        elif self.rng.random() < 0.15:
            path = self._any_path()
        else:
            path = self._pick(lambda p, n: self.model.may(number, p, READ)) or "/a"
        if "quota" in self.features and self.rng.random() < 0.1:
            path = "/zookeeper/quota/q1/" + self.rng.choice(["zookeeper_stats", "zookeeper_limits"])
        return {"op": name, "path": path}

    def _watched(self, name, err, number):
        return {**self._read(name, err, number), "watch": self.rng.random() < 0.5}

    def _op_exists(self, err, number):
        if err == -8:
            return {"op": "exists", "path": "/a/\x00b", "watch": True}
        op = self._watched("exists", err, number)
        if err == -5 and self.rng.random() < 0.3:
            op.update(path=None, cut=0)
        return op

    def _op_getData(self, err, number):
        op = self._watched("getData", err, number)
        if err == -5 and self.rng.random() < 0.3:
            op.update(path=None, cut=0)
        return op

    def _op_getChildren(self, err, number):
        return self._watched("getChildren", err, number)

    def _op_getChildren2(self, err, number):
        return self._watched("getChildren2", err, number)

    def _op_getACL(self, err, number):
        return self._read("getACL", err, number)

    def _op_getAllChildrenNumber(self, err, number):
        return self._read("getAllChildrenNumber", err, number)

    def _op_sync(self, err, number):
        return {"op": "sync", "path": self.rng.choice([self._any_path(), None])}

    def _op_ping(self, err, number):
        return {"op": "ping"}

    def _op_whoAmI(self, err, number):
        return {"op": "whoAmI"}

    def _op_sasl(self, err, number):
        return {"op": "sasl", "token": self.rng.choice(["", "x"])}

    def _op_closeSession(self, err, number):
        return {"op": "closeSession"}

    def _op_getEphemerals(self, err, number):
        return {"op": "getEphemerals", "path": self.rng.choice([None, "", " ", "/", "/a", "/b/n", "/a/n1", "x"])}

    def _op_addWatch(self, err, number):
        mode = self.rng.choice([2, -1, 7]) if err == -5 and self.rng.random() < 0.5 else self.rng.choice([0, 1])
        op = {"op": "addWatch", "path": self._watch_path(), "mode": mode}
        return {**op, "cut": 0} if mode not in (0, 1) else op

    def _watch_path(self):
        return self.rng.choice(["/", "/a", "/b", "/c"]) if self.rng.random() < 0.15 else self._any_path()

    def _watch_kind(self, name, err, number):
        tables = self.model.tables["3.9.5"]
        held = [p for table in (tables.data, tables.child) for p in table if number in table[p]]
        path = self.rng.choice(sorted(held)) if held and err != -121 and self.rng.random() < 0.8 else self._watch_path()
        # 4 and 5 are unknown to 3.8.0, whose tables would then differ: they are checked where only the target counts.
        kind = self.rng.choice([0, 6, -1]) if err == -5 else self.rng.choice([1, 2, 3, 3])
        return {"op": name, "path": path, "type": kind, **({"cut": 0} if err == -5 else {})}

    def _op_checkWatches(self, err, number):
        op = self._watch_kind("checkWatches", err, number)
        return {**op, "type": self.rng.choice([4, 5])} if err == 0 and self.rng.random() < 0.3 else op

    def _op_removeWatches(self, err, number):
        op = self._watch_kind("removeWatches", err, number)
        return {**op, "type": self.rng.choice([4, 5])} if err == 0 and self.rng.random() < 0.3 else op

    def _op_setWatches(self, err, number, name="setWatches"):
        rng = self.rng
        some = lambda: [self._any_path() for _ in range(rng.randrange(4))]
        now = self.model.position
        since = rng.choice([0, now, max(0, now - rng.randint(1, 300)), [now, 1000]])
        op = {"op": name, "since": since, "data_paths": some(), "exist_paths": some(), "child_paths": some()}
        if name == "setWatches2":
            op.update(persistent_paths=some(), recursive_paths=some())
        if err == -5:
            # Java acts on the lists before a null one; a server that parses first does not. Nothing to act on here.
            lists = [k for k in op if k.endswith("_paths")]
            op.update({k: [] for k in lists})
            op.update({rng.choice(lists): None, "cut": 0})
        return op

    def _op_setWatches2(self, err, number):
        return self._op_setWatches(err, number, "setWatches2")

    def _op_auth(self, err, number):
        if err == -115:
            return {"op": "auth", "scheme": self.rng.choice(["nosuch", "sasl", ""]), "auth": "x"}
        return {"op": "auth", "scheme": self.rng.choice(["digest", "digest", "digest", "ip"]), "auth": self.rng.choice(USERS)}

    def _op_unknown(self, err, number):
        return {"op": "unknown", "code": self.rng.choice([0, -1, 10, 23, 99, 108, 999, -2]), "hex": self.rng.choice(["", "00" * 20])}

"""What a slot's part of the tree must look like after its first k requests. Pure: no server, no time.

A slot is one client. It alone writes below /s<slot>, one request after the other (pipelined), through a succession of
sessions; and it adds sequential nodes to /all, which all slots share. So the tree after a crash is explained if, for
each slot, some k between what was acknowledged and what was sent gives exactly the slot's nodes.
"""

from collections import namedtuple

OK, NO_NODE, BAD_VERSION, NODE_EXISTS, NOT_EMPTY = 0, -101, -103, -110, -111
EPHEMERAL, SEQUENTIAL = 1, 2

# `entry`: the number of the request that last changed it.
Node = namedtuple("Node", "data version owner entry")


class State:
    def __init__(self):
        self.nodes = {}   # path -> Node
        self.shared = {}  # data of a sequential node under /all -> number of the request

    def children(self, path):
        return [other for other in self.nodes if other.startswith(path + "/")]

    def apply(self, number, op, session):
        """The error the request gets; changes nothing unless that is OK."""
        if op["op"] == "multi":
            return self.apply_multi(number, op, session)
        if op["op"] == "closeSession":
            self.nodes = {path: node for path, node in self.nodes.items() if node.owner != session}
            return OK
        return getattr(self, "apply_" + op["op"])(number, op, session)

    def apply_create(self, number, op, session):
        path = op["path"]
        if op["flags"] & SEQUENTIAL:
            self.shared[op["data"]] = number
            return OK
        if path in self.nodes:
            return NODE_EXISTS
        parent = path.rpartition("/")[0]
        if parent and parent not in self.nodes:
            return NO_NODE
        self.nodes[path] = Node(op["data"], 0, session if op["flags"] & EPHEMERAL else 0, number)
        return OK

    def apply_setData(self, number, op, _):
        node = self.nodes.get(op["path"])
        if node is None:
            return NO_NODE
        if op["version"] not in (-1, node.version):
            return BAD_VERSION
        self.nodes[op["path"]] = Node(op["data"], node.version + 1, node.owner, number)
        return OK

    def apply_delete(self, _, op, __):
        node = self.nodes.get(op["path"])
        if node is None:
            return NO_NODE
        if op["version"] not in (-1, node.version):
            return BAD_VERSION
        if self.children(op["path"]):
            return NOT_EMPTY
        del self.nodes[op["path"]]
        return OK

    def apply_check(self, _, op, __):
        return OK if op["path"] in self.nodes else NO_NODE

    def apply_multi(self, number, op, session):
        nodes, shared = dict(self.nodes), dict(self.shared)
        for sub in op["ops"]:
            error = self.apply(number, sub, session)
            if error != OK:
                self.nodes, self.shared = nodes, shared
                return error
        return OK


class Entry:
    """One request of a slot's history. Times are monotonic nanoseconds; None: has not happened."""

    FIELDS = ("op", "session", "sent", "acked", "dropped", "zxid", "name")
    __slots__ = FIELDS

    def __init__(self, op, session, sent, acked=None, dropped=None, zxid=None, name=None):
        self.op, self.session, self.sent = op, session, sent
        self.acked = acked      # acknowledged, or seen in the tree after a restart
        self.dropped = dropped  # seen not to have happened, after a restart
        self.zxid = zxid        # the reply's
        self.name = name        # of the sequential node it made under /all

    def to_json(self):
        return [getattr(self, field) for field in self.FIELDS]


class History:
    """All a slot has asked for, in order."""

    def __init__(self, slot, entries=(), sessions=()):
        self.slot, self.entries, self.sessions = slot, list(entries), list(sessions)

    def before(self, instant):
        """(requests that were sent by then, how many of them were acknowledged): the latter must have happened."""
        sent, count = [], 0
        for number, entry in enumerate(self.entries):
            if entry.sent >= instant or (entry.dropped is not None and entry.dropped <= instant):
                continue
            sent.append((number, entry))
            if entry.acked is not None and entry.acked <= instant:
                count = len(sent)
        return sent, count

    def to_json(self):
        return {"slot": self.slot, "entries": [e.to_json() for e in self.entries], "sessions": self.sessions}

    @staticmethod
    def from_json(json):
        return History(json["slot"], [Entry(*fields) for fields in json["entries"]], json["sessions"])

"""A client that a test drives step by step, the whole tree read through one, and two trees compared."""

from collections import namedtuple

from directory import Failure, wire

OPEN = [(31, "world", "anyone")]
SUPER = ("super:secret",)
NO_SESSION = (0, b"\0" * 16)
WINDOW = 100
Node = namedtuple("Node", "data stat acl")


class Refused(Exception):
    """The server does not know the session, or not this password."""


class Client:
    """A session on one connection. Events are set aside."""

    def __init__(self, port, timeout_ms=30_000, session=NO_SESSION, auths=()):
        self.connection, self.xid, self.events = wire.Connection(port, timeout=60), 0, []
        self.connection.send(wire.connect_request(0, timeout_ms, *session))
        try:
            reply = wire.connect_reply(self.connection.read_frame())
        except wire.Closed:
            reply = None
        if reply is None or not reply.sid:
            self.drop()
            raise Refused(f"session {session[0]:#x}")
        self.session, self.timeout_ms = (reply.sid, reply.password), reply.timeout
        for auth in auths:
            self.one({"op": "auth", "scheme": "digest", "auth": auth})

    def send(self, op):
        self.xid += op["op"] not in wire.FIXED_XID
        self.connection.send(wire.frame(op, wire.FIXED_XID.get(op["op"], self.xid), self))

    def raw_zxid(self, zxid):  # for wire.frame: zxids are this server's
        return zxid

    def receive(self, op):
        """(error, plain values) of the next reply, which must be `op`'s."""
        while isinstance(reply := self.connection.next(), wire.Event):
            self.events.append(reply)
        self.last = reply
        return reply.err, wire.decode(op, reply.err, reply.body)

    def one(self, op):
        self.send(op)
        return self.receive(op)

    def must(self, op):
        err, values = self.one(op)
        if err:
            raise Failure(f"{str(op)[:300]} gets error {err}")
        return values

    def many(self, ops):
        """Their answers, in order; a window of them is under way at a time."""
        answers, begun = [], 0
        while len(answers) < len(ops):
            while begun < min(len(ops), len(answers) + WINDOW):
                self.send(ops[begun])
                begun += 1
            answers.append(self.receive(ops[len(answers)]))
        return answers

    def close(self):
        self.one({"op": "closeSession"})
        self.drop()

    def drop(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.close()
        self.drop()


def create(path, data="", acl=OPEN, flags=0, op="create", **more):
    return {"op": op, "path": path, "data": data, "acl": acl, "flags": flags, **more}


def read_tree(port, root="/"):
    """{path: Node} as a super user sees it."""
    tree, level = {}, [root]
    with Client(port, auths=SUPER) as client:
        while level:
            ops = [op for p in level for op in ({"op": "getData", "path": p}, {"op": "getACL", "path": p}, {"op": "getChildren", "path": p})]
            answers, below = client.many(ops), []
            for path, (err, read), (_, acl), (_, names) in zip(level, answers[::3], answers[1::3], answers[2::3]):
                if err:
                    raise Failure(f"{path}, which its parent lists, gets error {err}")
                tree[path] = Node(*read, acl[0])
                below += [(path if path != "/" else "") + "/" + name for name in names[0]]
            level = below
    return tree


def differences(left, right, names=("before", "after")):
    """Lines that say where two trees differ."""
    lines = [f"{path}: only {names[0]}" for path in sorted(left.keys() - right.keys())]
    lines += [f"{path}: only {names[1]}" for path in sorted(right.keys() - left.keys())]
    for path in sorted(left.keys() & right.keys()):
        for field, a, b in zip(Node._fields, left[path], right[path]):
            if a != b:
                lines.append(f"{path} {field}: {names[0]} {str(a)[:300]}, {names[1]} {str(b)[:300]}")
    return lines


def require_equal(left, right, what, names=("before", "after")):
    lines = differences(left, right, names)
    if lines:
        raise Failure(f"{what}: {len(lines)} differences\n    " + "\n    ".join(lines[:12]))

"""ZooKeeper's client wire format: frames, requests, replies. Knows nothing about either server.

An operation is a plain dict (it goes into replay files as JSON): {"op": name, ...fields}. Strings travel as latin-1 or
UTF-8 text, data as text or None. `encode` gives the request body, `decode` turns a reply body into plain values in
which every Stat is a `Stat` tuple.
"""

import socket
import struct
from collections import namedtuple

CODES = {
    "create": 1, "delete": 2, "exists": 3, "getData": 4, "setData": 5, "getACL": 6, "setACL": 7, "getChildren": 8,
    "sync": 9, "ping": 11, "getChildren2": 12, "check": 13, "multi": 14, "create2": 15, "reconfig": 16,
    "checkWatches": 17, "removeWatches": 18, "createContainer": 19, "deleteContainer": 20, "createTTL": 21,
    "multiRead": 22, "auth": 100, "setWatches": 101, "sasl": 102, "getEphemerals": 103, "getAllChildrenNumber": 104,
    "setWatches2": 105, "addWatch": 106, "whoAmI": 107, "createSession": -10, "closeSession": -11,
}
WRITES = {"create", "create2", "createContainer", "createTTL", "delete", "setData", "setACL", "multi", "reconfig"}
CREATES = {"create", "create2", "createContainer", "createTTL"}
FIXED_XID = {"ping": -2, "auth": -4, "setWatches": -8, "setWatches2": -8}

Stat = namedtuple("Stat", "czxid mzxid ctime mtime version cversion aversion owner length children pzxid")
Event = namedtuple("Event", "zxid type state path")
Reply = namedtuple("Reply", "xid zxid err body")

_int = struct.Struct(">i").pack
_long = struct.Struct(">q").pack
_stat = struct.Struct(">qqqqiiiqiiq")
_header = struct.Struct(">iqi")
_multi = struct.Struct(">ibi")


class Malformed(Exception):
    """A reply that does not parse as its type says."""


def ustring(text):
    if text is None:
        return b"\xff\xff\xff\xff"
    raw = text.encode("utf-8", "surrogatepass")
    return _int(len(raw)) + raw


def buffer(data):
    if data is None:
        return b"\xff\xff\xff\xff"
    raw = data.encode("latin-1") if isinstance(data, str) else data
    return _int(len(raw)) + raw


def strings(items):
    if items is None:
        return b"\xff\xff\xff\xff"
    return _int(len(items)) + b"".join(map(ustring, items))


def acl_list(acl):
    if acl is None:
        return b"\xff\xff\xff\xff"
    return _int(len(acl)) + b"".join(_int(p) + ustring(s) + ustring(i) for p, s, i in acl)


def _create(op, _):
    return ustring(op["path"]) + buffer(op["data"]) + acl_list(op["acl"]) + _int(op["flags"])


def _path_int(field):
    return lambda op, _: ustring(op["path"]) + _int(op[field])


def _path_watch(op, _):
    return ustring(op["path"]) + (b"\1" if op.get("watch") else b"\0")


def _path(op, _):
    return ustring(op["path"])


def _multi_body(op, side):
    parts = []
    for sub in op["ops"]:
        parts.append(_multi.pack(sub["code"] if "code" in sub else CODES[sub["op"]], 0, -1))
        parts.append(encode(sub, side))
    parts.append(_multi.pack(-1, 1, -1))
    return b"".join(parts)


def _set_watches(op, side):
    body = _long(side.raw_zxid(op["since"])) + strings(op["data_paths"]) + strings(op["exist_paths"]) + strings(op["child_paths"])
    if op["op"] == "setWatches2":
        body += strings(op["persistent_paths"]) + strings(op["recursive_paths"])
    return body


_ENCODERS = {
    "create": _create, "create2": _create, "createContainer": _create,
    "createTTL": lambda op, _: _create(op, _) + _long(op["ttl"]),
    "delete": _path_int("version"), "check": _path_int("version"),
    "setData": lambda op, _: ustring(op["path"]) + buffer(op["data"]) + _int(op["version"]),
    "setACL": lambda op, _: ustring(op["path"]) + acl_list(op["acl"]) + _int(op["version"]),
    "exists": _path_watch, "getData": _path_watch, "getChildren": _path_watch, "getChildren2": _path_watch,
    "getACL": _path, "sync": _path, "getEphemerals": _path, "getAllChildrenNumber": _path,
    "deleteContainer": lambda op, _: buffer(op["path"]),
    "multi": _multi_body, "multiRead": _multi_body,
    "reconfig": lambda op, _: ustring(op["join"]) + ustring(op["leave"]) + ustring(op["members"]) + _long(op["config"]),
    "checkWatches": _path_int("type"), "removeWatches": _path_int("type"), "addWatch": _path_int("mode"),
    "setWatches": _set_watches, "setWatches2": _set_watches,
    "auth": lambda op, _: _int(0) + ustring(op["scheme"]) + buffer(op["auth"]),
    "sasl": lambda op, _: buffer(op["token"]),
    "createSession": lambda op, _: _int(op["timeout"]),
}


def encode(op, side):
    """The request record of `op`. `side` translates zxids (setWatches carries one)."""
    encoder = _ENCODERS.get(op["op"])
    body = encoder(op, side) if encoder else bytes.fromhex(op.get("hex", ""))
    if "cut" in op:
        body = body[: max(0, len(body) - op["cut"])]
    if "tail" in op:
        body += bytes.fromhex(op["tail"])
    return body


def frame(op, xid, side):
    code = op["code"] if "code" in op else CODES[op["op"]]
    body = _int(xid) + _int(code) + encode(op, side)
    return _int(len(body)) + body


class Reader:
    """Reads jute values from one reply body."""

    def __init__(self, raw, at=0):
        self.raw, self.at = raw, at

    def take(self, size):
        start, self.at = self.at, self.at + size
        if self.at > len(self.raw) or size < 0:
            raise Malformed(f"wants {size} bytes at {start} of {len(self.raw)}")
        return self.raw[start:self.at]

    def int(self):
        return int.from_bytes(self.take(4), "big", signed=True)

    def long(self):
        return int.from_bytes(self.take(8), "big", signed=True)

    def buffer(self):
        size = self.int()
        return None if size == -1 else self.take(size)

    def text(self):
        raw = self.buffer()
        return None if raw is None else raw.decode("utf-8", "surrogatepass")

    def vector(self, item):
        count = self.int()
        if count > 1_000_000:
            raise Malformed(f"a vector of {count}")
        return None if count == -1 else [item() for _ in range(count)]

    def stat(self):
        return Stat._make(_stat.unpack(self.take(68)))

    def acl(self):
        return (self.int(), self.text(), self.text())

    def end(self):
        if self.at != len(self.raw):
            raise Malformed(f"{len(self.raw) - self.at} bytes left over: {self.raw[self.at:][:64].hex()}")


def _sorted(names):
    return names if names is None else sorted(names)


def _read_multi(r):
    results = []
    while True:
        kind, done, err = _multi.unpack(r.take(9))
        if done:
            results.append(("end", kind, err))
            return results
        if kind == -1:
            results.append(("error", err, r.int()))
        elif kind == 1:
            results.append((kind, err, r.text()))
        elif kind == 15:
            results.append((kind, err, r.text(), r.stat()))
        elif kind in (2, 13):
            results.append((kind, err))
        elif kind == 5:
            results.append((kind, err, r.stat()))
        elif kind == 4:
            results.append((kind, err, r.buffer(), r.stat()))
        elif kind == 8:
            results.append((kind, err, _sorted(r.vector(r.text))))
        else:
            raise Malformed(f"a multi result of type {kind}")


_two = lambda r: (r.text(), r.stat())
_only_stat = lambda r: (r.stat(),)
_nothing = lambda r: ()
_DECODERS = {
    "create": lambda r: (r.text(),), "create2": _two, "createContainer": _two, "createTTL": _two,
    "delete": _nothing, "setData": _only_stat, "setACL": _only_stat, "exists": _only_stat,
    "getData": lambda r: (r.buffer(), r.stat()),
    "getACL": lambda r: (r.vector(r.acl), r.stat()),
    "getChildren": lambda r: (_sorted(r.vector(r.text)),),
    "getChildren2": lambda r: (_sorted(r.vector(r.text)), r.stat()),
    "sync": lambda r: (r.text(),),
    "getEphemerals": lambda r: (_sorted(r.vector(r.text)),),
    "getAllChildrenNumber": lambda r: (r.int(),),
    "addWatch": lambda r: (r.int(),),
    "whoAmI": lambda r: (sorted(r.vector(lambda: (r.text(), r.text()))),),
    "sasl": lambda r: (r.buffer(),),
    "multi": _read_multi, "multiRead": _read_multi,
    "check": _only_stat,
}


def decode(op, err, body):
    """The reply body as plain values; bodies accompany errors only in multi and multiRead."""
    r = Reader(body)
    if err != 0:
        value = _read_multi(r) if body and op["op"] in ("multi", "multiRead") else r.buffer() if body and op["op"] == "sasl" else ()
    else:
        value = _DECODERS.get(op["op"], _nothing)(r)
    r.end()
    return value


ConnectReply = namedtuple("ConnectReply", "version timeout sid password read_only")


def connect_request(last_zxid, timeout, sid, password, read_only=False, version=0):
    body = _int(version) + _long(last_zxid) + _int(timeout) + _long(sid) + buffer(password)
    if read_only is not None:
        body += b"\1" if read_only else b"\0"
    return _int(len(body)) + body


def connect_reply(body):
    r = Reader(body)
    reply = ConnectReply(r.int(), r.int(), r.long(), r.buffer(), r.take(1)[0] if len(body) > 36 else None)
    r.end()
    return reply


class Closed(Exception):
    """The server closed the connection."""


class Connection:
    """One TCP connection: raw frames out, parsed frames in, in order."""

    def __init__(self, port, timeout=10.0):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""

    def send(self, raw):
        try:
            self.socket.sendall(raw)
        except (BrokenPipeError, ConnectionResetError):
            pass  # what was answered before the close is still read

    def read_frame(self):
        while True:
            if len(self.pending) >= 4:
                size = int.from_bytes(self.pending[:4], "big", signed=True)
                if size < 0 or size > 64 << 20:
                    raise Malformed(f"a frame of {size} bytes")
                if len(self.pending) >= 4 + size:
                    body, self.pending = self.pending[4:4 + size], self.pending[4 + size:]
                    return body
            try:
                chunk = self.socket.recv(1 << 18)
            except (ConnectionResetError, BrokenPipeError):
                chunk = b""
            if not chunk:
                raise Closed()
            self.pending += chunk

    def next(self):
        """The next frame: an Event or a Reply."""
        body = self.read_frame()
        if len(body) < 16:
            raise Malformed(f"a reply of {len(body)} bytes: {body.hex()}")
        xid, zxid, err = _header.unpack_from(body)
        if xid == -1:
            r = Reader(body, 16)
            event = Event(zxid, r.int(), r.int(), r.text())
            r.end()
            return event
        return Reply(xid, zxid, err, body[16:])

    def close(self):
        self.socket.close()

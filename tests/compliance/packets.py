"""What learners and leaders say to each other on the quorum port, out of the bytes of one connection as they come."""

from collections import namedtuple

import places  # noqa: F401  it says where to look for the others
import wire

NAMES = {1: "REQUEST", 2: "PROPOSAL", 3: "ACK", 4: "COMMIT", 5: "PING", 6: "REVALIDATE", 7: "SYNC", 8: "INFORM", 9: "COMMITANDACTIVATE",
         10: "NEWLEADER", 11: "FOLLOWERINFO", 12: "UPTODATE", 13: "DIFF", 14: "TRUNC", 15: "SNAP", 16: "OBSERVERINFO", 17: "LEADERINFO",
         18: "ACKEPOCH", 19: "INFORMANDACTIVATE"}
SASL_MAGIC = bytes.fromhex("5f2435013501edcc")
ERROR, CLOSE_SESSION, MULTI = -1, -11, 14
DIGEST_VERSION = 2
STAT_PERSISTED = 60

Packet = namedtuple("Packet", "name zxid data authinfo")
Txn = namedtuple("Txn", "session cxid zxid time type digest")  # digest: None where there is none
Malformed = wire.Malformed


class Short(Exception):
    """The rest has not come yet."""


class Input(wire.Reader):
    def take(self, size):
        if size > 64 << 20 or size < 0:
            raise Malformed(f"a field of {size} bytes")
        if self.at + size > len(self.raw):
            raise Short()
        return super().take(size)


class Stream:
    """One direction. `feed` gives what is complete; what follows a SNAP is passed over, and must be a snapshot."""

    def __init__(self):
        self.pending, self.in_snapshot, self.may_be_sasl = b"", False, True

    def feed(self, chunk):
        self.pending += chunk
        found, at = [], 0
        while at < len(self.pending):
            reader = Input(self.pending, at)
            try:
                packet = self.next(reader)
            except Short:
                break
            at = reader.at
            if packet:
                found.append(packet)
                self.in_snapshot = packet.name == "SNAP"
        self.pending = self.pending[at:]
        return found

    def next(self, reader):
        if self.in_snapshot:
            skip_snapshot(reader)
            self.in_snapshot = False
            return None
        if self.may_be_sasl and SASL_MAGIC.startswith(reader.raw[reader.at:reader.at + 8]):
            reader.take(12)
            reader.buffer()
            return None
        self.may_be_sasl = False
        return read_packet(reader)


def read_packet(reader):
    kind, zxid, data = reader.int(), reader.long(), reader.buffer()
    authinfo = reader.vector(lambda: (reader.text(), reader.text()))
    if kind not in NAMES:
        raise Malformed(f"a packet of type {kind}")
    return Packet(NAMES[kind], zxid, data, authinfo)


def skip_snapshot(reader):
    for _ in range(reader.int()):
        reader.take(12)
    for _ in range(reader.int()):
        reader.long()
        reader.vector(reader.acl)
    while reader.text() != "/":
        reader.buffer()
        reader.take(8 + STAT_PERSISTED)
    if reader.text() != "BenWasHere":
        raise Malformed("a snapshot without its signature")


def _create(reader, last):
    reader.text(), reader.buffer(), reader.vector(reader.acl)
    for field in last:
        field(reader)


_byte, _int, _long, _text, _buffer = (lambda r: r.take(1)), Input.int, Input.long, Input.text, Input.buffer
_RECORDS = {
    1: lambda r: _create(r, (_byte, _int)), 15: lambda r: _create(r, (_byte, _int)), 19: lambda r: _create(r, (_int,)),
    21: lambda r: _create(r, (_int, _long)), 2: _text, 20: _text, 5: lambda r: (_text(r), _buffer(r), _int(r)),
    16: lambda r: (_text(r), _buffer(r), _int(r)), 7: lambda r: (_text(r), r.vector(r.acl), _int(r)), 13: lambda r: (_text(r), _int(r)),
    MULTI: lambda r: r.vector(lambda: (_int(r), _buffer(r))), -10: _int, CLOSE_SESSION: lambda r: r.vector(r.text), ERROR: _int,
}


def read_txn(data):
    """The header of a proposal's bytes, and its digest. The record between them must be there, whole, and be all."""
    reader = Input(data)
    try:
        head = reader.long(), reader.int(), reader.long(), reader.long(), reader.int()
        if head[4] not in _RECORDS:
            raise Malformed(f"a transaction of type {head[4]}")
        if not (head[4] == CLOSE_SESSION and reader.at == len(data)):
            _RECORDS[head[4]](reader)
        digest = None
        if reader.at != len(data):
            version, digest = reader.int(), reader.long()
            if version != DIGEST_VERSION:
                raise Malformed(f"a digest of version {version}")
        reader.end()
    except Short:
        raise Malformed(f"a transaction cut off: {data[:80].hex()}") from None
    return Txn(*head, digest)


def comparable(data):
    """A transaction's bytes, but for the types of a failed multi's parts: Java's leaders turn them to -1 in their memory, and send them so."""
    if int.from_bytes(data[28:32], "big", signed=True) != MULTI:
        return data
    reader, types = Input(data, 32), []
    for _ in range(reader.int()):
        types.append((reader.at, reader.int()))
        reader.buffer()
    if ERROR not in [kind for _, kind in types]:
        return data
    blank = bytearray(data)
    for at, _ in types:
        blank[at:at + 4] = b"\0\0\0\0"
    return bytes(blank)


def packet(kind, zxid, data=None, authinfo=None):
    """The bytes of one: for tests, and for who plays a server."""
    number = next(n for n, name in NAMES.items() if name == kind)
    ids = b"\xff\xff\xff\xff" if authinfo is None else wire._int(len(authinfo)) + b"".join(map(wire.ustring, sum(authinfo, ())))
    return wire._int(number) + wire._long(zxid) + wire.buffer(data) + ids

"""Requests that end a Java server or that only it accepts: sent to side B alone, at the end, on fresh directories.

Each must get the stated answer, the server must go on serving, and must start again on the same directory.
"""

import wire
from compare import Mismatch
from wire import Event

OPEN = [(31, "world", "anyone")]
NEVER_TTL = {"op": "createTTL", "path": "/p", "data": "", "acl": OPEN, "flags": 0, "ttl": -1}


def _node(path, data=""):
    return {"op": "create", "path": path, "data": data, "acl": OPEN, "flags": 0}


# (what, operations, the errors each may get, the connection ends)
CASES = [
    ("createTTL, no TTL mode, negative ttl (6.1)", [NEVER_TTL], [{-8}], False),
    ("the same inside a multi", [{"op": "multi", "ops": [NEVER_TTL]}], [{0, -5}], False),
    ("a container with other flags inside a multi: a container (11)",
     [_node("/m"), {"op": "multi", "ops": [{**_node("/m/c"), "op": "createContainer", "flags": 1}]}, {"op": "getEphemerals", "path": "/"}], [{0}, {0}, {0}], False),
    ("a quota limit for the root (9)", [_node("/zookeeper/quota/zookeeper_limits", "count=1,bytes=1")], [{0, -8}], False),
    ("quota statistics for the root (9)", [_node("/zookeeper/quota/zookeeper_stats", "count=1,bytes=1")], [{0, -8}], False),
    ("quota statistics that do not parse, then a change below (9)",
     [_node("/z"), _node("/zookeeper/quota/z"), _node("/zookeeper/quota/z/zookeeper_limits", "count=9,bytes=900"),
      _node("/zookeeper/quota/z/zookeeper_stats", "nonsense"),
      {"op": "setData", "path": "/zookeeper/quota/z/zookeeper_stats", "data": "more=nonsense=x", "version": -1}, _node("/z/below"),
      {"op": "setData", "path": "/z", "data": "x", "version": -1}],
     [{0}, {0}, {0}, {0, -8}, {0, -8, -101}, {0}, {0}], False),
    ("deleteContainer from a client (5)", [{"op": "deleteContainer", "path": "/z/below"}], [{-6}], True),
    ("createSession from a client (5)", [{"op": "createSession", "timeout": 10_000}], [{-6}], True),
]


def _open(side):
    connection = wire.Connection(side.server.port)
    connection.send(wire.connect_request(0, 30_000, 0, b"\0" * 16))
    if not wire.connect_reply(connection.read_frame()).sid:
        raise Mismatch("poison: no session")
    return connection


def _ask(side, connection, op, xid):
    connection.send(wire.frame(op, xid, side))
    while isinstance(reply := connection.next(), Event):
        pass
    wire.decode(op, reply.err, reply.body)
    return reply


def _case(side, what, ops, errors, ends):
    connection = _open(side)
    try:
        for xid, (op, may) in enumerate(zip(ops, errors), 1):
            reply = _ask(side, connection, op, xid)
            if reply.err not in may:
                raise Mismatch(f"poison, {what}: {op} gets {reply.err}, may get {sorted(may)}")
        if ends:
            try:
                connection.read_frame()
                raise Mismatch(f"poison, {what}: the connection goes on")
            except wire.Closed:
                pass
    except wire.Closed:
        side.server.check()
        raise Mismatch(f"poison, {what}: the connection was closed")
    finally:
        connection.close()
    alive = _open(side)
    _ask(side, alive, {"op": "getData", "path": "/z", "watch": False}, 1)
    alive.close()


def check(runner):
    side = runner.sides[1]
    runner.run({"do": "servers", "fresh": True, "config": {}, "properties": {}})
    for what, ops, errors, ends in CASES:
        _case(side, what, ops, errors, ends)
    side.server.stop()
    side.server.start({}, {})
    side.server.wait_ready()
    connection = _open(side)
    for path in ("/z", "/z/below"):
        if _ask(side, connection, {"op": "getData", "path": path, "watch": False}, 1).err:
            raise Mismatch(f"poison: {path} is missing after a restart")
    connection.close()
    print(f"  {len(CASES)} requests that end a Java server, or that only it accepts: refused or survived, restart included", flush=True)

"""Synod writes, Java opens; Java writes, Synod opens: the same tree, the same sessions, no complaint about a digest."""

import random
import zlib

import client
from client import Client
from directory import FIXTURES, Failure, Server, copy, files, require, sessions_in
from load import Load

OPERATIONS = 1500
HANDS, LONG_HANDS = 3, 10  # so often a directory goes from one server to the other; with --long one goes more often
SNAP_COUNT = 300
COMPRESSIONS = ["", "gz", "snappy"]
STOPS = ["term", "kill"]  # SIGTERM; kill -9 when all is quiet (killed_under_load: when it is not)


def configuration(number):
    compression = COMPRESSIONS[number % 3]
    return {"snapCount": SNAP_COUNT, **({"snapshot.compression.method": compression} if compression else {})}


def controls(folder):
    """Both servers do complain when a digest is wrong: in the log, and in a snapshot."""
    logged = copy(FIXTURES / "digest-mismatch", folder / "wrong-in-log")
    snapped = copy(FIXTURES / "snapshot-gz", folder / "wrong-in-snapshot")
    (snapped / "data/version-2/snapshot.63.gz").unlink()
    raw = bytearray((FIXTURES / "standalone/version-2/snapshot.55").read_bytes())
    raw[0x2036] ^= 1                                                   # the digest's last byte
    raw[0x2037:0x203f] = zlib.adler32(raw[:0x2037]).to_bytes(8, "big")  # and a seal that agrees
    (snapped / "data/version-2/snapshot.55").write_bytes(raw)
    for kind in ("synod", "java"):  # Java last: it writes a snapshot when it starts
        for place in (logged, snapped):
            with Server(kind, place) as server:
                require(any("digest" in line.lower() for line in server.complaints()), kind, "does not say that a digest is wrong in", place.name, "\n", server.text())


def require_no_complaint(server, but=()):
    lines = [line for line in server.complaints() if not any(word in line for word in but)]
    require(not lines, server.kind, "complains:\n    ", "\n    ".join(lines[:12]))


def require_sessions(server, load, tree):
    """Exactly the live ones, with their timeouts, passwords and ephemerals."""
    live = {s.sid: s.timeout_ms for s in load.live}
    if server.kind == "java":
        snapshots = files(server.folder / "data", "snapshot")  # the newest: written at the start
        found = sessions_in(snapshots[max(snapshots)])
        require(found == live, "Java's sessions", found, "expected", live)
    else:
        require(f" and {len(live)} sessions up to" in server.text(), len(live), "sessions expected:\n", server.text())
    owned = {}
    for path, node in tree.items():
        owned.setdefault(node.stat.owner, set()).add(path)
    require(owned.keys() - {0} <= live.keys(), "ephemerals of sessions that are not there")
    for session in load.live:
        resumed = Client(server.port, session.timeout_ms, (session.sid, session.password))
        require(resumed.session == (session.sid, session.password), "resumed as", resumed.session)
        require(resumed.timeout_ms == session.timeout_ms, "timeout", resumed.timeout_ms)
        listed = set(resumed.must({"op": "getEphemerals", "path": "/"})[0])
        require(listed == owned.get(session.sid, set()), hex(session.sid), "owns", listed, "expected", owned.get(session.sid, set()))
        resumed.drop()
    for session in load.closed[-10:]:
        try:
            Client(server.port, session.timeout_ms, (session.sid, session.password))
            raise Failure(f"{server.kind} resumes the closed session {session.sid:#x}")
        except client.Refused:
            pass


def loaded(server, load, operations):
    """The load, and the tree it leaves; the server is still running."""
    load.run(server.port, operations)
    return client.read_tree(server.port)


def require_same(server, load, tree, what):
    now = client.read_tree(server.port)
    client.require_equal(tree, now, what)
    require_sessions(server, load, now)
    require_no_complaint(server)


def handed_over(folder, number, seed, operations, hands=HANDS):
    """Synod, Java, Synod, Java… on one directory, handed over so often, each time under new load."""
    load, config = Load(random.Random(f"{seed} {number}")), configuration(number)
    tree = None
    for turn in range(hands + 1):
        kind = ("synod", "java")[turn % 2]
        server = Server(kind, folder, config)
        with server:
            if tree is not None:
                require_same(server, load, tree, f"{kind} opens what {'java' if kind == 'synod' else 'synod'} wrote")
            if turn == hands:
                break
            tree = loaded(server, load, operations)
            snapshots = files(folder / "data", "snapshot")
            require(kind == "java" or len(snapshots) >= 2, "no snapshot was rolled under the load:", sorted(map(hex, snapshots)))
            if STOPS[(number + turn) % 2] == "kill":
                server.kill()
    return load, len(tree)


def killed_under_load(folder, number, seed, operations):
    """Synod is killed in mid-load; Synod and Java open what is left, and see the same."""
    load, config = Load(random.Random(f"{seed} killed {number}")), configuration(number)
    server = Server("synod", folder / "origin", config).up()
    load.run(server.port, operations)
    begun = [Client(server.port, 120_000) for _ in range(4)]
    load.clients, sent = begun, 0
    for connection in begun * 3:
        for op in [load.operation() for _ in range(150)]:
            connection.send(op)
            sent += 1
        begun[0].connection.socket.recv(1)  # it is being answered
    server.kill()
    for connection in begun:
        connection.drop()
    trees = []
    for kind in ("synod", "java"):
        with Server(kind, copy(folder / "origin/data", folder / kind), config) as opened:
            trees.append(client.read_tree(opened.port))
            require_no_complaint(opened, but=("cut there", "was removed", "not complete"))
    client.require_equal(*trees, "what a killed Synod left", ("Synod", "Java"))
    return sent


def run(folder, rounds, seed, is_long):
    controls(folder)
    print("  a wrong digest, in a log or in a snapshot, is told by both servers", flush=True)
    for number in range(rounds):
        load, nodes = handed_over(folder / f"round{number}", number, seed, OPERATIONS)
        done = sum(count for (_, good), count in load.counts.items() if good)
        print(f"  round {number + 1} of {rounds} ({COMPRESSIONS[number % 3] or 'plain'} snapshots): {done} writes, {nodes} nodes and {len(load.live)} sessions in the end; "
              "Synod, Java, Synod, Java", flush=True)
        killed_under_load(folder / f"killed{number}", number, seed, OPERATIONS // 3)
    if is_long:
        load, nodes = handed_over(folder / "again", rounds, seed, OPERATIONS // 3, LONG_HANDS)
        print(f"  one directory handed over {LONG_HANDS} times, {sum(load.counts.values())} operations in all: trees, sessions and digests equal each time, {nodes} nodes in the end", flush=True)
    print(f"  {rounds} directories of a Synod killed under load: the same tree for Synod and Java", flush=True)

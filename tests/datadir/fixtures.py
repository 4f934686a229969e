"""Directories written by Java ZooKeeper 3.8.0, served by Synod: what the manifest says, and cases derived from them."""

import base64
import json

import client
from client import Client, Node
from directory import FIXTURES, SYNOD_REFUSES_THE_DIRECTORY, Failure, Server, copy, require, wire

DIGEST_WARNING = "carry a tree digest that differs"
MANIFEST = json.loads((FIXTURES / "manifest.json").read_text())


def expected_tree(name):
    variant = MANIFEST["variants"][name]
    if "tree_same_as" not in variant:
        return {n["path"]: _node(n) for n in variant["tree"]}
    tree, excepted = expected_tree(variant["tree_same_as"]), variant.get("tree_except", {})
    for path in excepted.get("removed", ()):
        del tree[path]
    for change in excepted.get("changed", ()):
        tree[change["path"]] = tree[change["path"]]._replace(stat=wire.Stat(*change["stat"]))
    return tree


def _node(entry):
    data = None if entry["data_base64"] is None else base64.b64decode(entry["data_base64"])
    return Node(data, wire.Stat(*entry["stat"]), [tuple(a) for a in entry["acl"]])


def require_sessions(port, variant, ephemerals):
    for session in variant["sessions_after_load"]:
        sid, password = int(session["id"], 16), bytes.fromhex(session["password_hex"])
        try:
            Client(port, session=(sid, bytes(16))).drop()
            raise Failure(f"session {session['id']} is resumed with a wrong password")
        except client.Refused:
            pass
        resumed = Client(port, session["timeout_ms"], (sid, password))
        require(resumed.session[0] == sid, "session", session["id"], "becomes", hex(resumed.session[0]))
        owned = resumed.must({"op": "getEphemerals", "path": "/"})[0]
        require(owned == sorted(ephemerals.get(session["id"], ())), "session", session["id"], "owns", owned)
        resumed.drop()


def require_loads(folder, name, says=None, config=()):
    """Served, with the tree and the sessions of the manifest's variant `name`; `says` is in the log."""
    variant = MANIFEST["variants"][name]
    with Server("synod", folder, config) as server:
        client.require_equal(expected_tree(name), client.read_tree(server.port), str(name), ("manifest", "Synod"))
        owner = variant.get("tree_same_as", name)
        require_sessions(server.port, variant, MANIFEST["variants"][owner].get("ephemerals_by_session", {}))
        text = server.text()
        require(says is None or says in text, "nothing says", repr(says), "in:\n", text)
        require((DIGEST_WARNING in text) == (name == "digest-mismatch"), "a warning of digests, or none:\n", text)
        require(f"up to zxid {variant['last_zxid']} " in text, "the log does not name", variant["last_zxid"], ":\n", text)
        # A write of our own is behind the last one, and there after a restart.
        with Client(server.port) as writer:
            writer.must(client.create("/written-by-synod", "x"))
    with Server("synod", folder, config) as server:
        require("/written-by-synod" in client.read_tree(server.port), "the new write is missing after a restart")
        require("cut there" not in server.text() and "removed" not in server.text(), "the second start repairs again:\n", server.text())


def require_refused(folder, *says):
    status, text = Server("synod", folder).refusal()
    require(status == SYNOD_REFUSES_THE_DIRECTORY, "exit status", status, "\n", text)
    for word in says:
        require(word in text, "the refusal does not say", repr(word), ":\n", text)


def variants(folder):
    says = {"torn-tail": "cut there"}
    for name, variant in MANIFEST["variants"].items():
        place = copy(FIXTURES / name, folder / name)
        if variant["expected_load"] == "ok":
            require_loads(place, name, says.get(name))
        else:
            offset = 1400  # of the record with the flipped byte
            require_refused(place, "log.56", f"offset {offset}")
    return len(MANIFEST["variants"])


def derived(folder):
    standalone = FIXTURES / "standalone"

    half = copy(standalone, folder / "half-snapshot")
    snapshot = half / "data/version-2/snapshot.55"
    snapshot.write_bytes(snapshot.read_bytes()[: snapshot.stat().st_size // 2])
    require_loads(half, "standalone", "snapshot.55 is not complete and was passed over")

    empty = copy(standalone, folder / "empty-last-log")
    (empty / "data/version-2/log.64").write_bytes(b"")
    require_loads(empty, "standalone", "log.64 holds no transaction yet and was removed")

    zeros = copy(standalone, folder / "last-log-of-zeros")
    (zeros / "data/version-2/log.64").write_bytes(bytes(7))
    require_loads(zeros, "standalone", "log.64 holds no transaction yet and was removed")

    behind = copy(standalone, folder / "epoch-behind")
    _raise_zxids(behind)
    for name in ("currentEpoch", "acceptedEpoch"):
        (behind / "data/version-2" / name).write_text("0")
    with Server("synod", behind) as server:
        require("currentEpoch was 0" in server.text() and "raised to 1" in server.text(), server.text())
        require("up to zxid 0x100000001 " in server.text(), server.text())
    for name in ("currentEpoch", "acceptedEpoch"):
        require((behind / "data/version-2" / name).read_text() == "1", name, "was not raised")

    unsnapped = copy(standalone, folder / "no-snapshot")
    for name in ("snapshot.0", "snapshot.55"):
        (unsnapped / "data/version-2" / name).unlink()
    require_loads(unsnapped, "standalone", "which has every transaction from the first")

    beheaded = copy(standalone, folder / "no-snapshot-no-beginning")
    for name in ("snapshot.0", "snapshot.55", "log.1"):
        (beheaded / "data/version-2" / name).unlink()
    require_refused(beheaded, "log begins at zxid 0x56")

    gap = copy(standalone, folder / "missing-log")
    for name in ("snapshot.55", "log.1"):
        (gap / "data/version-2" / name).unlink()
    require_refused(gap, "log.56", "0x56", "transactions are missing")

    flipped = copy(standalone, folder / "damage-in-an-older-log")
    log = flipped / "data/version-2/log.1"
    (flipped / "data/version-2/snapshot.55").unlink()
    raw = bytearray(log.read_bytes())
    raw[190 + 12 + 40] ^= 1  # in the body of the third record
    log.write_bytes(raw)
    require_refused(flipped, "log.1", "offset 190")
    return 8


def _raise_zxids(folder):
    """One more log, by hand: an `error` transaction with the first zxid of epoch 1."""
    import struct
    import zlib
    body = struct.pack(">qiqqii", 0, 0, 1 << 32 | 1, 1_795_238_000_000, -1, -101)
    record = struct.pack(">qi", zlib.adler32(body), len(body)) + body + b"B"
    (folder / "data/version-2/log.100000001").write_bytes(b"ZKLG" + struct.pack(">iq", 2, 0) + record)


def run(folder):
    count, more = variants(folder), derived(folder)
    print(f"  {count} directories give what the manifest says, {more} cases derived from them what they must", flush=True)

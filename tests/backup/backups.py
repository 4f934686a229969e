"""What a backup holds that was taken while its server ran, and what comes of it."""

import os
import random
import shutil
import threading

from kazoo.client import KazooClient

import client
import directory
from cases import PATIENCE, client_of, require, wait_until
from documented import documented
from stricken import EPOCHS_AHEAD, OneLife, Stricken, everything, load, refused, same_trees, started, synod, wait_for

SEED = os.environ.get("SYNOD_SEED", "1")
THREE = {1: "synod", 2: "synod", 3: "synod"}
OFTEN = {"snapCount": 150}  # a snapshot every hundred writes or so: fuzzy ones, and purges


def taken(source, out, *words):
    """{first, last, digest, nodes} of a backup, taken."""
    ended = synod("backup", *words, source, out)
    require(ended.returncode == 0, f"synod backup {source} ends with {ended.returncode}: {ended.stdout}{ended.stderr}")
    require(not ended.stderr, f"synod backup {source} warns: {ended.stderr}")
    return manifest(out)


def manifest(out):
    lines = dict(line.split(" ", 1) for line in (out / "manifest").read_text().splitlines())
    return {key: int(lines[key], 16 if key in ("first", "last") else 10) for key in ("first", "last", "digest", "nodes", "epoch")}


def restored(backup, target, *words):
    ended = synod("restore", backup, target, *words)
    require(ended.returncode == 0, f"synod restore {backup} ends with {ended.returncode}: {ended.stdout}{ended.stderr}")
    return ended.stdout


class Opened:
    """A server of its own on a restored directory."""

    def __init__(self, kind, folder, backup, *words):
        self.server = directory.Server(kind, folder)
        self.said = restored(backup, folder / "data", *words)

    def __enter__(self):
        self.server.up()
        return client.read_tree(self.server.port)

    def __exit__(self, *_):
        self.server.stop()
        require("igest" not in self.server.text().replace("superDigest", ""), f"{self.server.kind} speaks of a digest:\n{self.server.tail()}")


def nodes_below(tree, root):
    """{path: node}, as a tree has them."""
    return {path: node for path, node in tree.items() if path.startswith(root) and path.count("/") == 2}


class Backups(threading.Thread):
    """One after the other, of a server that others write to, or that is killed."""

    def __init__(self, server, folder, source, pause):
        super().__init__(daemon=True)
        self.server, self.folder, self.source, self.pause = server, folder, source, pause
        self.taken, self.problem, self.must_stop = [], None, threading.Event()

    def run(self):
        try:
            while not self.must_stop.wait(self.pause):
                out = self.folder / f"{self.server.sid}-{len(self.taken)}"
                self.taken.append((out, taken(self.source, out)))
        except Exception as problem:
            self.problem = problem

    def finish(self):
        self.must_stop.set()
        self.join(PATIENCE)
        if self.problem:
            raise self.problem
        return self.taken


def while_they_write(ensemble, folder, scale):
    """Backups of every member, one after the other, under load; one member is killed and started again. All nodes written, as they are in the end."""
    writers = [OneLife([server], f"/written-{server.sid}") for server in ensemble.servers.values() if server.sid != 2]
    sources = {server: server.cfg if server.sid == 1 else server.folder / "data" for server in ensemble.servers.values()}
    takers = [Backups(server, folder, source, 0.2 if scale == 1 else 0) for server, source in sources.items()]
    for thread in (*writers, *takers):
        thread.start()
    for _ in range(2 * scale):
        for writer in writers:
            writer.wait_for_more(150)
        if ensemble[2].mode() != "leader":
            ensemble[2].kill()
            ensemble[2].start()
            wait_for(ensemble[2])
    acknowledged = {path: zxid for writer in writers for path, zxid in zip(writer.finish(), writer.zxids)}
    all_taken = [one for taker in takers for one in taker.finish()]
    tree = same_trees(list(ensemble.servers.values()), "of the servers")
    written = nodes_below(tree, "/written-")
    require(acknowledged.items() <= {path: node.stat.czxid for path, node in written.items()}.items(), "the servers lack what they acknowledged")
    return written, all_taken


def live(folder, scale, kinds, **config):
    """Backups of every member under load: each is the tree of its servers as it was at the zxid that it says."""
    chance = random.Random(SEED)
    with Stricken(folder, kinds, **OFTEN, **config) as ensemble:
        ensemble.begin()
        written, all_taken = while_they_write(ensemble, folder / "backups", scale)
    fuzzy = 0
    for out, facts in all_taken:
        ended = synod("backup", "verify", out)
        require(ended.returncode == 0, f"{out} does not verify: {ended.stderr}")
        oldest = min(int(path.name.split(".")[1], 16) for path in (out / "version-2").glob("snapshot.*"))
        fuzzy += facts["first"] > oldest
    for number, (out, facts) in enumerate(chance.sample(all_taken, min(len(all_taken), 2 * scale))):
        kind = ("synod", "java")[number % 2]
        with Opened(kind, folder / f"opened-{number}", out) as tree:
            is_as_of(tree, written, facts["last"], f"{out}, opened by {kind}")
    out, facts = all_taken[-1]
    until = sorted(node.stat.czxid for node in written.values() if facts["first"] <= node.stat.czxid <= facts["last"])
    for number, zxid in enumerate(chance.sample(until, min(len(until), 2 * scale))):
        kind = ("synod", "java")[number % 2 if scale > 1 else 0]
        with Opened(kind, folder / f"until-{number}", out, "--until-zxid", f"{zxid:#x}") as tree:
            is_as_of(tree, written, zxid, f"{out} until {zxid:#x}, opened by {kind}")
    return f"{len(all_taken)} backups under {len(written)} writes, {fuzzy} of them of fuzzy snapshots; each verified, and what was opened is the tree at its zxid"


def is_as_of(tree, written, last, what):
    """Of the nodes that were written once each: those up to this zxid, with all that they are, and no others."""
    expected = {path: node for path, node in written.items() if node.stat.czxid <= last}
    client.require_equal(expected, nodes_below(tree, "/written-"), what)


def mixed(folder, scale):
    return live(folder, scale, {1: "java", 2: "synod", 3: "synod"})


def raft(folder, scale):
    return live(folder, scale, THREE, consensus="raft")


def whole_ensemble(folder, scale):
    """All of a mixed ensemble is put back to a point, and a client that saw later ones comes back by itself."""
    with Stricken(folder, {1: "synod", 2: "java", 3: "synod"}) as ensemble:
        ensemble.begin()
        servers = list(ensemble.servers.values())
        outlives = KazooClient(",".join(f"127.0.0.1:{server.port}" for server in servers), timeout=60)
        outlives.start(PATIENCE)
        outlives.create("/good", b"1")
        until = outlives.exists("/good").czxid
        outlives.create("/bad", b"1")
        facts = taken(servers[1].cfg, folder / "backup")
        last = outlives.create("/bad/later", b"1", include_data=True)[1].czxid
        ensemble.strike()
        for server in servers:
            shutil.move(server.folder / "data/version-2", server.folder / "moved-away")
            (server.folder / "data/initialize").unlink(missing_ok=True)
            restored(folder / "backup", server.cfg, "--until-zxid", f"{until:x}", "--raise-epoch")
        started(*servers)
        tree = same_trees(servers, "after the restore")
        require("/good" in tree and "/bad" not in tree, f"the tree is not that of {until:#x}: {sorted(tree)}")
        wait_until(lambda: outlives.connected, "the client that was connected before comes back")
        _, stat = outlives.create("/after", b"", include_data=True)
        require(stat.czxid > last and stat.czxid >> 32 > EPOCHS_AHEAD, f"{stat.czxid:#x} is not above what clients had seen, {last:#x}")
        outlives.stop()
        outlives.close()
        return f"back to {until:#x} of {facts['last']:#x} on three servers; the client went on with its session at {stat.czxid:#x}"


def elsewhere(folder, scale):
    """A backup becomes an ensemble of other servers: restored once, and recovered with newcomers."""
    with Stricken(folder, {1: "java", 2: "synod", 3: "synod"}) as ensemble:
        ensemble.begin()
        with client_of(ensemble[1]) as kazoo:
            paths = [kazoo.create(f"/n{number}") for number in range(50)]
        taken(ensemble[1].cfg, folder / "backup")
        ensemble.strike()
        six = ensemble.newcomer(6)
        seven = ensemble.newcomer(7)
        for server in (six, seven):
            server.configure([six.line, seven.line])
            (server.folder / "data/initialize").unlink()
        restored(folder / "backup", six.cfg)
        ended = synod("recover", six.cfg, seven.cfg, "--add", six.line, "--add", seven.line, "--accept-lost-writes")
        require(ended.returncode == 0, f"no ensemble of it: {ended.stdout}{ended.stderr}")
        started(six, seven)
        tree = same_trees([six, seven], "on other servers")
        require(set(paths) <= tree.keys(), "nodes are lost")
        return f"{len(paths)} nodes, on two servers that had no part in it"


def observed(folder, scale):
    """Without anybody's files: an observer joins, under load, takes what there is, and leaves no trace."""
    said = []
    for kinds, config in (({1: "java", 2: "java", 3: "synod"}, {}), (THREE, {"consensus": "raft"})):
        place = folder / "-".join(config.values() or ["mixed"])
        with Stricken(place, kinds, **config) as ensemble:
            ensemble.begin()
            before = load([ensemble[1]], "/before", lambda: None)
            facts = {}
            during = load([ensemble[2]], "/during", lambda: facts.update(taken(f"127.0.0.1:{ensemble[1].port}", place / "backup")))
            require(not (place / "backup/observer").exists(), "the observer left its folder")
            with Opened("synod", place / "opened", place / "backup") as tree:
                require(before.keys() <= tree.keys(), "what was acknowledged before is not in it")
                expected = {path for path, zxid in during.items() if zxid <= facts["last"]}
                require(expected <= tree.keys(), f"{len(expected - tree.keys())} writes up to its zxid are not in it")
            said.append(f"{len(before)} writes before and {len(expected)} of {len(during)} during it")
    with Stricken(folder / "omnipaxos", THREE, consensus="omnipaxos") as ensemble:
        ensemble.begin()
        refused(synod("backup", f"127.0.0.1:{ensemble[1].port}", folder / "none"), "take the backup from a server's files")
    refused(synod("backup", "127.0.0.1:1", folder / "nobody"), "127.0.0.1:1")
    return "; ".join(said)


def refusals(folder, scale):
    """Each for its reason; nothing is overwritten, no damage passes."""
    with Stricken(folder, {1: "synod"}, standaloneEnabled="true") as ensemble:
        ensemble.begin()
        one = ensemble[1]
        with client_of(one) as kazoo:
            for number in range(20):
                kazoo.create(f"/n{number}", b"x" * 200)
        facts = taken(one.cfg, folder / "good")
        refused(synod("restore", folder / "good", one.cfg), "has to be stopped")
        refused(synod("backup", f"127.0.0.1:{one.port}", folder / "x0"), "runs alone")
        ensemble.strike()
        before = everything(one.folder)
        (folder / "half").mkdir()
        (folder / "half/version-2").mkdir()
        for words, why, status in (
                (["backup", one.cfg], "where to?", 2),
                (["backup", one.cfg, folder / "good"], "is not empty", 2),
                (["backup", folder / "half", folder / "x1"], "no server has ever run", 3),
                (["backup", folder / "nowhere", folder / "x2"], "a server's dataDir?", 3),
                (["backup", "verify", folder / "half"], "not finished", 3),
                (["restore", folder / "half", folder / "x3"], "not finished", 3),
                (["restore", folder / "good", one.cfg], "is not empty", 3),
                (["restore", "--dry-run", folder / "half", one.cfg], "not finished", 3),
                (["restore", folder / "good", folder / "x4", "--until-zxid", "rubbish"], "is no zxid", 2),
                (["restore", folder / "good", folder / "x5", "--until-zxid", f"{facts['last'] + 1:x}"], "can be restored as it was", 3)):
            refused(synod(*words), why, status=status)
        said = synod("restore", "--dry-run", folder / "good", one.cfg, "--until-zxid", f"{facts['first']:x}")
        require(said.returncode == 0 and f"beyond, up to zxid {facts['last']:#x}" in said.stdout and "to be moved away first" in said.stdout,
                f"it does not say what it would change: {said.stdout}{said.stderr}")
        require(everything(one.folder) == before, "a refusal or a look changed something")
        for path in sorted((folder / "good").rglob("*")):
            if path.is_file() and path.stat().st_size:
                damaged(folder, path)
        for word in ("backup", "restore"):
            require(f"synod {word}" in synod(word, "--help").stdout, f"synod {word} --help teaches nothing")
        return "ten, and damage in every file, each for its reason"


def damaged(folder, path):
    bad = folder / "bad"
    shutil.copytree(folder / "good", bad)
    victim = bad / path.relative_to(folder / "good")
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 0x20
    victim.write_bytes(content)
    for words in (["backup", "verify", bad], ["restore", bad, folder / "target"], ["restore", "--dry-run", bad, folder / "target"]):
        ended = synod(*words)
        require(ended.returncode == 3, f"{words} accepts damage in {victim.name}: {ended.stdout}{ended.stderr}")
    require(not (folder / "target/version-2").exists(), "a damaged backup was restored")
    shutil.rmtree(bad)


ALL = {case.__name__: case for case in (mixed, raft, whole_ensemble, elsewhere, observed, refusals, documented)}

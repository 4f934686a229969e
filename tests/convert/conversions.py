"""What a converted ensemble keeps, and what is refused."""

import hashlib
import os
import random
import shutil
import subprocess
import time

import client  # of tests/datadir, found through ensemble
from cases import CONFIG, PATIENCE, SYNODS, UNANSWERED, Writer, client_of, quor, require, serves, wait_until
from ensemble import SYNOD, Ensemble

# Every engine into every other, on one ensemble.
TOUR = ("zab", "raft", "omnipaxos", "zab", "omnipaxos", "raft", "zab")
SEED = os.environ.get("SYNOD_SEED", "1")


def convert(*words):
    """The finished process."""
    return subprocess.run([SYNOD, "convert", *map(str, words)], capture_output=True, text=True, timeout=PATIENCE, check=False)


def converted(to, members, *words):
    ended = convert("--to", to, *words, *(config_of(member) for member in members))
    require(ended.returncode == 0, f"synod convert --to {to} ends with {ended.returncode}: {ended.stdout}{ended.stderr}")
    return ended.stdout


def refused(words, *whys, status=3):
    ended = convert(*words)
    require(ended.returncode == status, f"{words}: status {ended.returncode}, expected {status}: {ended.stdout}{ended.stderr}")
    for why in whys:
        require(why in ended.stderr, f"{words}: no word of {why!r}:\n{ended.stderr}")


def config_of(member):
    return member.folder / "zoo.cfg"


def stop_all(ensemble):
    """At once, so that each has a log of its own."""
    for member in ensemble.members.values():
        member.process.kill()
    for member in ensemble.members.values():
        member.process.wait(PATIENCE)
        member.process = None


def started(ensemble, engine):
    ensemble.config = {**ensemble.config, "consensus": engine}
    ensemble.start()
    ensemble.wait()
    return list(ensemble.members.values())


def same_trees(members, what):
    """The tree that all of them show; each says for itself when it came to know its ensemble."""
    trees = []
    for member in members:
        with client_of(member) as kazoo:
            kazoo.sync("/")
        trees.append(client.read_tree(member.port))
        del trees[-1]["/zookeeper/config"]
        client.require_equal(trees[0], trees[-1], what)
    return trees[0]


def same_directories(members):
    """One snapshot each, the same byte for byte, and the same epochs."""
    found = []
    for member in members:
        files = {path.name: path.read_bytes() for path in (member.folder / "data/version-2").iterdir()}
        record = (member.folder / "data/consensus").read_bytes()
        found.append({name: hashlib.sha256(content).hexdigest() for name, content in files.items()} | {"consensus": record})
        require(sorted(name.split(".")[0] for name in files) == ["acceptedEpoch", "currentEpoch", "snapshot"], f"server {member.sid} has {sorted(files)}")
        require(found[0] == found[-1], f"servers 1 and {member.sid} have not the same: {found[0]}, {found[-1]}")


def epoch_of(ensemble):
    return int(quor(ensemble.leader())["epoch"])


def pairs(folder, scale):
    """All six pairs, each stopped by kill -9 under load; a session with its ephemeral node lives through all of it."""
    with Ensemble(folder, SYNODS, {**CONFIG, "snapCount": 200}) as ensemble:
        for member in ensemble.members.values():
            member.was_started = True  # no word of an operator: all find out that all are new
        written, ephemerals, session = [], 0, None
        members = started(ensemble, TOUR[0])
        for turn in range(scale):
            for old, new in zip(TOUR, TOUR[1:]):
                epoch = epoch_of(ensemble)
                mine = client.Client(members[0].port, 600_000, *([session] if session else []))
                session = mine.session
                mine.must(client.create(f"/mine-{turn}-{old}-{new}", flags=1))
                mine.drop()
                ephemerals += 1
                written += load(members, f"/{turn}-{old}-{new}", lambda: stop_all(ensemble))
                converted(new, members)
                same_directories(members)
                members = started(ensemble, new)
                require(epoch_of(ensemble) > epoch, f"{new} did not begin above epoch {epoch} of {old}")
                tree = same_trees(members, f"from {old} to {new}")
                missing = [path for path in written if path not in tree]
                require(not missing, f"from {old} to {new}: {len(missing)} acknowledged writes are lost, {missing[:3]} among them")
                owned = [path for path, node in tree.items() if node.stat.owner == session[0]]
                require(len(owned) == ephemerals, f"the session owns {owned}, not {ephemerals} nodes")
                for member in members:
                    require("digest" not in member.log.lower(), f"server {member.sid} speaks of a digest:\n{member.log[-2000:]}")
        return f"{(len(TOUR) - 1) * scale} conversions, all pairs, {len(written)} acknowledged writes, all there; trees, sessions and files the same on all three"


class OneLife(Writer):
    """Stops at the first write that is not answered: it might be repeated after a conversion."""

    def write(self, kazoo, path):
        try:
            _, stat = kazoo.create_async(path, b"x", include_data=True).get(timeout=3)
        except UNANSWERED:
            self.must_stop.set()
            return
        self.acknowledged.append(path)
        self.zxids.append(stat.czxid)


def load(members, root, end):
    """What three writers were acknowledged until `end`, which comes while they write."""
    writers = [OneLife([member], f"{root}-{member.sid}") for member in members]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.wait_for_more(40)
    end()
    for writer in writers:
        writer.must_stop.set()
    return [path for writer in writers for path in writer.finish()]


def java(folder, scale):
    """An ensemble of Java's, converted to Raft and written to; then to Zab, and opened by Java's again."""
    kinds = {1: "java", 2: "java", 3: "java"}
    with Ensemble(folder, kinds, CONFIG) as ensemble:
        ensemble.start()
        ensemble.wait()
        members = list(ensemble.members.values())
        with client_of(*members) as kazoo:
            kazoo.create("/logged")
        refused(["--to", "raft", *map(config_of, members)], f"process {members[0].process.pid} has files of", "has to be stopped")
        written = load(members, "/java", lambda: stop_all(ensemble))
        converted("raft", members)
        for member in members:
            member.kind = "synod"
        started(ensemble, "raft")
        same_trees(members, "from Java to Raft")
        written += load(members, "/raft", lambda: stop_all(ensemble))
        converted("zab", members)
        for member in members:
            member.kind = "java"
        del ensemble.config["consensus"]
        ensemble.start()
        ensemble.wait()
        tree = same_trees(members, "from Raft to Java")
        missing = [path for path in written if path not in tree]
        require(not missing, f"Java lacks {len(missing)} of {len(written)}, {missing[:3]} among them")
        for member in members:
            wrong = [line for line in member.log.splitlines() if "digest" in line.lower() and "mismatch" in line.lower() or "not matching" in line]
            require(not wrong, f"Java's server {member.sid} complains: {wrong[:3]}")
        written += load(members, "/again", lambda: None)
        return f"{len(written)} writes, through Java's servers, Raft, and Java's again, all there"


def lost(folder, scale):
    """One of three is lost. Its old directory comes back and does no harm; emptied, it is brought up to date."""
    with Ensemble(folder, SYNODS, CONFIG) as ensemble:
        members = started(ensemble, "raft")
        one, two, three = members
        written = load(members, "/before", lambda: stop_all(ensemble))
        refused(["--to", "omnipaxos", config_of(one), config_of(two)], "server 3 is neither given nor lost", "--lost 3")
        refused(["--to", "omnipaxos", config_of(one), "--lost", 2, "--lost", 3], "no quorum", "would serve clients beside", "--accept-lost-writes")
        converted("omnipaxos", [one, two], "--lost", 3)
        refused(["--to", "omnipaxos", *map(config_of, members)], "left out of a conversion")
        old_config, ensemble.config = ensemble.config, {**ensemble.config, "consensus": "omnipaxos"}
        ensemble.start(1, 2)
        ensemble.wait(1, 2)
        ensemble.start(3)
        require(three.process.wait(PATIENCE) == 3 and "converted without this member" in three.log, f"what server 3 had was taken:\n{three.log[-1000:]}")
        lines = [member.line for member in members]
        three.start(lines, old_config)
        wait_until(lambda: "engine" in one.log + two.log + three.log[-2000:] and quor(three), "the old engine is refused by the others")
        time.sleep(2)  # four ticks, two election timeouts
        require(not serves(three), "server 3 serves by itself, under the old engine")
        three.kill()
        three.wipe()
        ensemble.start(3)
        ensemble.wait()
        tree = same_trees(members, "after the loss")
        missing = [path for path in written if path not in tree]
        require(not missing, f"{len(missing)} acknowledged writes are lost, {missing[:3]} among them")
        return f"{len(written)} writes, all on the two and on the one that was emptied"


def interrupted(folder, scale):
    """kill -9 at any moment of a conversion, twice; then it is run to its end, with the same outcome."""
    chance = random.Random(SEED)
    with Ensemble(folder, SYNODS, CONFIG) as ensemble:
        members = started(ensemble, "zab")
        with client_of(members[0]) as kazoo:
            kazoo.create("/large")
            for pending in [kazoo.create_async(f"/large/{number:05}", b"x" * 500) for number in range(3000)]:
                pending.get(PATIENCE)
        written = load(members, "/written", lambda: stop_all(ensemble))
        keep(members, folder / "kept")
        refuse_bad_use(ensemble, members, folder)
        began = time.monotonic()
        converted("raft", members)
        took = time.monotonic() - began
        snapshot = snapshot_of(members[0])
        phases = {}
        for number in range(4 * scale):
            restore(members, folder / "kept")
            for _ in range(2):
                killed("raft", members, chance.random() ** 2 * took)
                phase = tuple(sorted(engine_of(member) for member in members))
                phases[phase] = phases.get(phase, 0) + 1
                require(not {"zab", "raft"} <= set(phase), f"servers of both engines may start: {phase}")
            if number == 0 or "converting" in phase and chance.random() < 0.2:
                refuses_to_start(ensemble, members)
            converted("raft", members)
            same_directories(members)
            require(snapshot_of(members[0]) == snapshot, "another tree than that of a conversion that was not interrupted")
        members = started(ensemble, "raft")
        tree = same_trees(members, "after interruptions")
        require(all(path in tree for path in written), "acknowledged writes are lost")
        return f"{8 * scale} kills in {took * 1000:.0f} ms long conversions, found half way in {sum(n for phase, n in phases.items() if 'converting' in phase)} cases; always run again to the same tree"


def keep(members, to):
    for member in members:
        shutil.copytree(member.folder / "data", to / str(member.sid))


def restore(members, kept):
    for member in members:
        shutil.rmtree(member.folder / "data")
        shutil.copytree(kept / str(member.sid), member.folder / "data")


def snapshot_of(member):
    (snapshot,) = (member.folder / "data/version-2").glob("snapshot.*")
    return snapshot.name, hashlib.sha256(snapshot.read_bytes()).hexdigest()


def engine_of(member):
    record = member.folder / "data/consensus"
    return record.read_text().splitlines()[0] if record.exists() else "zab"


def killed(to, members, seconds):
    """So long after the first directory was marked, which is when it begins to change them."""
    command = [SYNOD, "convert", "--to", to, *(str(config_of(member)) for member in members)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    first = members[0].folder / "data/consensus"
    before = first.read_bytes() if first.exists() else b""
    while process.poll() is None and (not first.exists() or first.read_bytes() == before):
        pass
    time.sleep(seconds)
    process.kill()
    process.wait()


def refuses_to_start(ensemble, members):
    lines = [member.line for member in members]
    for member in members:
        if engine_of(member) != "converting":
            continue
        for engine in ("zab", "raft"):
            member.start(lines, {**CONFIG, "consensus": engine})
            require(member.process.wait(PATIENCE) == 3 and "a conversion was interrupted" in member.log, f"server {member.sid} starts half way:\n{member.log[-1000:]}")


def everything(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "log"}


def refuse_bad_use(ensemble, members, folder):
    """Each refused for its reason, and nothing changed; nor by a dry run."""
    one, two, three = (config_of(member) for member in members)
    (folder / "alone").mkdir()
    (folder / "alone/zoo.cfg").write_text(f"dataDir={folder / 'alone'}\nclientPort=1\n")
    (folder / "other.cfg").write_text(three.read_text().replace("server.1=", "server.4="))
    (folder / "gone.cfg").write_text(three.read_text().replace("3-synod", "4-synod"))
    before = everything(folder)
    for words, why, status in (
            ([one, two, one], "given twice", 3),
            ([one, two, three, "--lost", 3], "not both", 3),
            ([one, two, three, "--lost", 9], "no server.9", 3),
            ([one, two, three, "--from", "omnipaxos", "--lost", 3], "not both", 3),
            ([one, two, folder / "alone/zoo.cfg"], "no server lines", 2),
            ([one, two, folder / "other.cfg"], "differ in who votes", 2),
            ([one, two, folder / "nothing.cfg"], "nothing.cfg", 2),
            ([one, two, folder / "alone"], "myid", 2),
            ([member.folder / "data" for member in members], "one zoo.cfg is needed", 2)):
        refused(["--to", "raft", *words], why, status=status)
    with holding(members[1]):
        refused(["--to", "raft", one, two, three], "another Synod is serving this data directory", "has to be stopped")
        before = {**before, **{path: content for path, content in everything(folder).items() if "2-synod" in str(path)}}
    said = converted("raft", members, "--dry-run")
    require("Zab's rule" in said and "This was a dry run" in said, f"a dry run says:\n{said}")
    require(everything(folder) == before, "a refusal or a dry run changed something")
    ended = convert("--to", "raft", "--dry-run", one, members[1].folder / "data", members[2].folder / "data")
    require(ended.stdout == said, f"directories in place of configurations: {ended.stdout}{ended.stderr}")
    require("already: nothing is to be done" in converted("zab", members), "a conversion to what they are")
    require(everything(folder) == before, "a conversion to what they are changed something")


class holding:
    """One server runs, for a moment."""

    def __init__(self, member):
        self.member = member

    def __enter__(self):
        self.member.start(config_of(self.member).read_text().splitlines()[-3:], {**CONFIG, "consensus": "zab"})
        wait_until(lambda: quor(self.member), "it answers")

    def __exit__(self, *_):
        self.member.kill()


ALL = {case.__name__: case for case in (pairs, java, lost, interrupted)}

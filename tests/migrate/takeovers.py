"""A rolling replacement and the way back, the operator's page word by word, what is refused, and trees that differ."""

import collections
import pathlib
import re
import statistics
import zlib

import stage
from cases import COMPLAINTS, same_trees  # of tests/mixed
from cases import started as led_by
from client import Client, create
from clients import require
from directory import files
from holes import lacking
from loads import Loads, now_ms

ROUNDS, LONG_ROUNDS = 1, 20  # asked for by name, and with --long
THREE_JAVA = {1: "java", 2: "java", 3: "java"}
PAGE = pathlib.Path(__file__).resolve().parent.parent.parent / "docs" / "migration.md"


def started(folder, config=None):
    on = stage.Stage(folder, THREE_JAVA, config)
    led_by(on, 3)
    return on


# ZOOKEEPER-4394, of Java's 3.8 and 3.9.0 to 3.9.2 among themselves: a Java leader may commit between NEWLEADER and UPTODATE, and its follower
# drops the link then, with these lines, and comes again. Our leader never does, and has to see none of them.
LINK_DROPPED = ('because "pif" is null', 'because "this.learner.sock" is null', "Severe unrecoverable error, from thread : SyncThread")
# What it had got is twice in its log from then on; a Java server that is started there says so, and applies it twice.
THERE_TWICE, APPLIED_TWICE = "(highestZxid) > ", ("Digests are not matching",)


def no_complaints(on, but=()):
    """Since the last look; all who came in step meanwhile did so under the one that leads now. `but`: what is known already."""
    by_leader = LINK_DROPPED if on.leader().kind == "java" else ()
    for member, said in on.news():
        forgiven = (*but, *by_leader, *(APPLIED_TWICE if THERE_TWICE in said else ()))
        for line in said.splitlines():
            if any(complaint in line for complaint in COMPLAINTS) and not any(text in line for text in forgiven):
                raise stage.Failed(f"{member.kind} server {member.sid} says: {line}\n{said[-2000:]}")


# What is said of a hole in Java's log, once the tree is loaded from it.
HOLE_SAID = ("carry a tree digest", "digest differs")


def mended(on, said):
    """The server that was replaced last differs. Its log must lack what another's has: then it was Java's doing, and is mended as the page says."""
    member = on.members[int(re.search(r"server\.(\d+) is back as Synod", said)[1])]
    hole = lacking(member, on.members.values())
    require(hole, f"trees differ, and server {member.sid} has all that the others' logs have\n{said}")
    no_complaints(on, HOLE_SAID)
    on.unit_stop(member, "synod")
    member.wipe()
    on.unit_start(member, "synod")
    on.wait()
    on.must(f"synod migrate verify --server {on.addresses}", says="Equal: ")
    on.holes += 1
    print(f"    Java had left {len(hole)} transactions out of the log of server {member.sid} (ZOOKEEPER-4712); told, emptied, equal again", flush=True)


# ---- there and back again -------------------------------------------------------------------------

UNITS = {"step": ("zookeeper", "synod"), "back": ("synod", "zookeeper")}


def one_step(on, load, verb):
    """The next server of the plan. What kind of replacement that was, and the longest gap of any client, in seconds."""
    stop, start = UNITS[verb]
    began = now_ms()
    line = (f"synod migrate {verb} --server {on.addresses} --auth digest:super:secret "
            f"--stop 'ssh zk$SYNOD_SERVER systemctl stop {stop}' --start 'ssh zk$SYNOD_SERVER systemctl start {start}'")
    done = on.run(line)
    said = done.stdout
    if done.returncode == 1 and "DIFFERENT since zxid" in said and verb == "step":
        mended(on, said)
    else:
        on.judge(line, done, says="Equal: the digest of the whole tree")
    load.wait_for_more()
    no_complaints(on)
    gaps = load.longest_gaps(began, now_ms())
    server, mode = re.search(r"server\.(\d+) is back as [^:]*: (\w+)", said).groups()
    was_leading = re.search(r"^server\.\d+ at \S+: .*, leader", said, re.MULTILINE) is not None
    away = float(re.search(r"Away for ([0-9.]+) s", said)[1])
    print(f"    {verb} {server}{' (led)' if was_leading else ''}: away for {away:.1f} s, longest gap "
          + ", ".join(f"{language} {gap:.2f} s" for language, gap in gaps.items()) + f"; now {mode}", flush=True)
    return f"{verb} of {'the leader' if was_leading else 'a follower'}", max(gaps.values())


def rounds(folder, scale):
    """Three Java servers become Synod and are Java again, under load of three kinds of clients."""
    count = LONG_ROUNDS if scale > 1 else ROUNDS
    with started(folder) as on, Loads(on) as load:
        gaps = collections.defaultdict(list)
        for number in range(count):
            for verb, kind in (("step", "synod"), ("back", "java")):
                for _ in on.members:
                    kind_of_step, gap = one_step(on, load, verb)
                    gaps[kind_of_step].append(gap)
                require(on.kinds() == [kind] * 3, f"after {verb}: {on.kinds()}")
                load.require_kept()
            print(f"    round {number + 1} of {count}: nothing lost", flush=True)
        acknowledged = load.finish()
        nodes = same_trees(on, "in the end")
        no_complaints(on)
    for kind_of_step, seconds in gaps.items():
        print(f"    {kind_of_step}, {len(seconds)} times: median gap {statistics.median(seconds):.2f} s, longest {max(seconds):.2f} s")
    mismatches = f"{on.holes}, by holes in Java's logs, told and mended" if on.holes else "0"
    return f"{sum(map(len, gaps.values()))} replacements, {acknowledged} acknowledged writes, 0 lost; sessions lost 0; digest mismatches {mismatches}; {nodes} nodes equal"


# ---- the operator's page --------------------------------------------------------------------------

def commands_of(page):
    """The lines that an operator types: those behind `$ ` in the page's blocks, continued by a backslash."""
    blocks = re.findall(r"^```\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    text = "".join(blocks).replace("\\\n", " ")
    return [re.sub(r"\s+", " ", line[2:]).strip() for line in text.splitlines() if line.startswith("$ ")]


def page(folder, _):
    """Every command of docs/migration.md, in its order, on an ensemble that clients use."""
    commands = commands_of(PAGE)
    require(len(commands) >= 10, f"{PAGE} has only {len(commands)} commands")
    with started(folder) as on, Loads(on) as load:
        for command in commands:
            on.must(command)
            no_complaints(on)
        load.wait_for_more()
        load.finish()
        same_trees(on, "in the end")
        no_complaints(on)
        require(on.kinds() == ["synod"] * 3, f"the page ends with {on.kinds()}")
    return f"{len(commands)} commands"


# ---- what is refused ------------------------------------------------------------------------------

def refusals(folder, _):
    """Each ends with its status, says what to do, and leaves the ensemble as it was or as it says."""
    hooks = "--stop 'ssh zk$SYNOD_SERVER systemctl stop zookeeper' --start 'ssh zk$SYNOD_SERVER systemctl start synod'"
    with started(folder, {"4lw.commands.whitelist": "srvr"}) as on:
        everyone = f"--server {on.addresses}"
        on.must(f"synod migrate plan {everyone}", says=["4lw.commands.whitelist lacks hash", "Step 1: server.1", "Step 3: server.3"])
        on.must(f"synod migrate plan --server 127.0.0.1:{on.members[1].port}", 1, says="its client port is not known: name it with --server")
        on.must("synod migrate plan --config absent.cfg", 2)
        on.must(f"synod migrate step 7 {everyone}", 2, says="7 is no member")
        on.must(f"synod migrate step 1 {everyone} --dry-run", says="Nothing speaks against it")
        on.must(f"synod migrate back 1 {everyone} {hooks}", says="runs Java 3.8.0 already")
        require(on.kinds() == ["java"] * 3, "a look changed something")
        on.broken = {"stop zookeeper"}
        on.must(f"synod migrate step 1 {everyone} {hooks}", 1, says=["ended with status 5", "Nothing was changed"])
        on.broken = {"start synod"}
        on.must(f"synod migrate step 1 {everyone} {hooks}", 1, says=["ended with status 5", "server.1 is down; nothing is lost"])
        on.broken = set()
        on.must(f"synod migrate step 2 {everyone} {hooks}", 1, says=["no quorum is left: 1 of 3", "server.1"])
        on.must(f"synod migrate step 1 {everyone} {hooks}", says=["taken as stopped", "is back as Synod", "Equal: ", "Next: synod migrate step 2"])
        on.must(f"synod migrate step 2 {everyone} --stop 'ssh zk2 systemctl stop zookeeper' --start 'ssh zk2 systemctl start zookeeper'", 1,
                says="does something restart it by itself?")
        require(on.kinds() == ["synod", "java", "java"], f"now there are {on.kinds()}")
        on.wait()
        on.must(f"synod migrate verify {everyone}", says=["Not by digests", "nodes were read from each of 3 servers"])
        member = on.members[2]
        by_hand = {"Now stop ZooKeeper": lambda: on.unit_stop(member, "java"), "Now start Synod": lambda: on.unit_start(member, "synod")}
        said = on.follow(["migrate", "step", "2", *everyone.split()], by_hand)
        require("server.2 is back as Synod" in said and "Next: synod migrate step 3" in said, f"by hand: {said}")
    return "statuses and advice as they should be; an interrupted step was finished; another was done by hand"


# ---- trees that differ ----------------------------------------------------------------------------

MARK, FORGED = b"the-mark-of-a-node-A", b"the-mark-of-a-node-B"
SEAL = b"\0\0\0\1/"  # behind each checksum


def forge(snapshot):
    """Another value in a node of a ZooKeeper 3.8 snapshot, and checksums that agree: a disk does this, or a bug."""
    raw = bytearray(snapshot.read_bytes())
    at = raw.find(MARK)
    require(at >= 0, f"{snapshot} has no such node")
    raw[at:at + len(MARK)] = FORGED
    require(raw.endswith(SEAL), f"{snapshot} ends otherwise")
    second = len(raw) - len(SEAL) - 8
    first = second - 20 - len(SEAL) - 8  # zxid, version and digest lie between the two
    for place in (first, second):
        raw[place:place + 8] = zlib.adler32(raw[:place]).to_bytes(8, "big")
    snapshot.write_bytes(raw)


def differs(folder, _):
    """A follower's snapshot is forged while it is down; `verify` tells it by digests, and by reading, from both kinds of servers."""
    with started(folder, {"snapCount": 100}) as on:
        with Client(on.members[1].port) as writer:
            writer.must(create("/marked", MARK.decode()))
            for error, _ in writer.many([create(f"/n{i}", "v") for i in range(400)]):
                require(error == 0, f"create gets error {error}")
        member = on.members[1]
        on.unit_stop(member, "java")
        snapshots = files(member.folder / "data", "snapshot")
        require(max(snapshots) & 0xFFFFFFFF > 0, "no snapshot was taken under the load")
        forge(snapshots[max(snapshots)])
        on.unit_start(member, "java")
        on.wait()
        for what in ("java", "synod"):
            on.must(f"synod migrate verify --server {on.addresses}", 1, says="DIFFERENT since zxid 0x")
            on.must(f"synod migrate verify --server {on.addresses} --trees", 1, says=["DIFFERENT: 1 nodes are not on server.1", "/marked"])
            if what == "java":
                on.unit_stop(on.members[2], "java")
                on.unit_start(on.members[2], "synod")
                on.wait()
        on.unit_stop(member, "java")
        member.wipe()
        on.unit_start(member, "java")
        on.wait()
        on.must(f"synod migrate verify --server {on.addresses}", says="Equal: ")
        on.must(f"synod migrate verify --server {on.addresses} --trees", says="Equal: ")
    return "told by digests and by reading, under a Java leader; mended by emptying the directory"


ALL = {"refusals": refusals, "differs": differs, "page": page}
LONG = {"rounds": rounds}

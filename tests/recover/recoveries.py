"""What is left of an ensemble, begun again; and what those that were left out can still do."""

import concurrent.futures
import os
import random
import re
import shutil
import subprocess
import time

import client
from cases import client_of, require, wait_until
from ensemble import SYNOD
from stricken import (EPOCHS_AHEAD, Stricken, came_up, everything, kept_up_to, load, members_of, recover, recovered, refused, same_trees, served,
                      shown, started, stays_so, synod, wait_for)

SEED = os.environ.get("SYNOD_SEED", "1")
THREE = {1: "synod", 2: "synod", 3: "synod"}
FIVE = {**THREE, 4: "synod", 5: "synod"}


def survivor(folder, scale, kinds=FIVE, **config):
    """One of five is left; two newcomers take the place of the others, with their trees filled by the recovery; two old members come back."""
    with Stricken(folder, kinds, **config) as ensemble:
        ensemble.begin()
        one, *others = ensemble.servers.values()
        mine = client.Client(one.port, 600_000)
        mine.must(client.create("/mine", flags=1))
        session = mine.session
        mine.drop()
        refused(recover([one]), "has to be stopped for a recovery")
        written = load([one, *others[:2]], "/before", one.kill)
        written |= load(others[:2], "/later", ensemble.strike)
        six, seven = ensemble.newcomer(6), ensemble.newcomer(7)
        new, adds = [one, six, seven], ("--add", six.line, "--add", seven.line)
        before = everything(folder)
        said = shown(new, *adds)
        require(everything(folder) == before, "a look changed something")
        require("servers 2, 3, 4, 5" in said and "quorum of their own" in said, f"it does not say what may be lost:\n{said}")
        kept = kept_up_to(said)
        recovered(new, *adds)
        two_return(new, others[2:], 1 if scale == 1 else 5)
        tree = same_trees(new, "after the recovery")
        known = {path for path, zxid in written.items() if zxid <= kept}
        require(known == written.keys() & tree.keys(), f"of {len(known)} writes up to {kept:#x} {len(known - tree.keys())} are lost")
        require(len(known) < len(written), "no write was lost: the survivor was not behind")
        require(tree["/mine"].stat.owner == session[0], "a session did not live on")
        members, version = members_of(one)
        require(members == {1, 6, 7} and version >> 32 == EPOCHS_AHEAD, f"the membership is {members}, version {version:x}")
        after = load(new, "/after", lambda: None)
        require(min(after.values()) >> 32 > EPOCHS_AHEAD, "zxids do not go on above every epoch")
        for server in new:
            require("Digests are not matching" not in server.log, f"server {server.sid} complains of a digest")
        return (f"{len(written)} acknowledged writes, {len(known)} up to the survivor's end, all there, {len(written) - len(known)} beyond it, all lost; "
                f"{len(after)} since; the two old members never served what was theirs")


def two_return(new, old, seconds):
    """Old members on their old directories: by themselves; with the survivor, with which they were a quorum; beside the new ensemble; and again with
    the survivor, when they have followed it. The new ensemble serves in the end."""
    came_up(*old)
    stays_so(seconds, lambda: not any(map(served, old)), "two old members serve")
    came_up(new[0])
    stays_so(seconds, lambda: not any(map(served, (new[0], *old))), "the survivor and two old members serve: the old quorum")
    started(*new[1:])
    wait_for(*new)
    stays_so(seconds, lambda: not any(was_led(served(server)) for server in old), "an old member leads, or serves the old tree")
    for server in new[1:]:
        server.kill()
    wait_until(lambda: not any(map(served, (new[0], *old))), "without a quorum nobody serves")
    stays_so(seconds, lambda: not any(map(served, (new[0], *old))), "old members count for the new ensemble's quorum")
    started(*new[1:])
    wait_for(*new)


def was_led(what):
    return what is not None and (what.mode == "leader" or what.epoch < EPOCHS_AHEAD)


def engines(folder, scale):
    """Each engine's, at the same time: what takes long is looking at what does not happen."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        running = {engine: pool.submit(survivor, folder / engine, scale, consensus=engine) for engine in ("zab", "raft", "omnipaxos")}
        return "".join(f"\n    {engine}: {case.result()}" for engine, case in running.items())


def java(folder, scale):
    """The survivor is Java's, and who comes back."""
    return survivor(folder, scale, {**FIVE, 1: "java", 4: "java", 5: "java" if scale > 1 else "synod"})


def most_advanced(folder, scale):
    """Two of five are left, one of which was away for a while: the other's log counts, whichever is named first."""
    with Stricken(folder, FIVE) as ensemble:
        ensemble.begin()
        late, ahead = ensemble.some(1, 2)
        early = load([late], "/early", lambda: None)
        late.kill()
        written = load([ahead], "/later", lambda: None)
        for server in ensemble.servers.values():
            server.kill()
        kept = kept_up_to(shown([late, ahead]))
        require(max(written.values()) <= kept, "the one that was away was chosen")
        recovered([late, ahead])
        started(late, ahead)
        tree = same_trees([late, ahead], "of two that were left")
        require({*early, *written} <= tree.keys(), "acknowledged writes are lost that a survivor had")
        require(members_of(late)[0] == {1, 2}, f"the membership is {members_of(late)[0]}")
        return f"{len(early) + len(written)} writes, all there, on both"


def alone(folder, scale):
    """One is left and goes on alone; then others join it by synod reconfig."""
    with Stricken(folder, THREE, standaloneEnabled="false", skipACL="yes") as ensemble:
        ensemble.begin()
        one = ensemble[1]
        written = load([one], "/before", ensemble.strike)
        said = recovered([one])
        require("It is alone" in said, f"nothing is said of being alone:\n{said}")
        started(one)
        require(written.keys() <= client.read_tree(one.port).keys(), "writes are lost")
        four = ensemble.servers[4] = type(one)(4, "synod", folder, config=ensemble.config)
        four.configure([one.line, four.line])
        (four.folder / "data/initialize").unlink()
        started(four)
        ended = synod("reconfig", "--server", f"127.0.0.1:{one.port}", "--add", four.line)
        require(ended.returncode == 0, f"server 4 cannot join: {ended.stdout}{ended.stderr}")
        wait_for(one, four)
        same_trees([one, four], "with one that joined")
        require(members_of(four)[0] == {1, 4}, f"the membership is {members_of(four)[0]}")
        return f"{len(written)} writes on one server, and on one that joined it"


def interrupted(folder, scale):
    """kill -9 at any moment of a recovery; then it is run to its end, and only what was left out may be missing."""
    chance = random.Random(SEED)
    with Stricken(folder, THREE) as ensemble:
        ensemble.begin()
        one = ensemble[1]
        with client_of(one) as kazoo:
            kazoo.create("/large")
            for pending in [kazoo.create_async(f"/large/{number:05}", b"x" * 500) for number in range(3000)]:
                pending.get(30)
        written = load([one], "/before", ensemble.strike)
        four = ensemble.newcomer(4)
        those, adds = [one, four], ("--add", four.line)
        kept = folder / "kept"
        for server in those:
            shutil.copytree(server.folder, kept / server.folder.name)
        began = time.monotonic()
        recovered(those, *adds)
        took = time.monotonic() - began
        half_way = 0
        for _ in range(6 * scale):
            for server in those:
                shutil.rmtree(server.folder)
                shutil.copytree(kept / server.folder.name, server.folder)
            for _ in range(2):
                killed(those, adds, chance.random() * took)
            marked = [server for server in those if record_of(server).startswith("converting")]
            half_way += bool(marked)
            for server in marked[:1]:
                server.start()
                require(server.process.wait(30) == 3 and "synod recover again" in server.log, f"it starts half way:\n{server.log[-1000:]}")
                server.process = None
            if not all(map(names_members, those)):
                recovered(those, *adds)
            require(all(map(names_members, those)), "a zoo.cfg does not name the members")
        started(*those)
        tree = same_trees(those, "after interruptions")
        require(written.keys() <= tree.keys(), "writes are lost")
        require(members_of(one)[0] == {1, 4}, f"the membership is {members_of(one)[0]}")
        return f"{12 * scale} kills in {took * 1000:.0f} ms long recoveries, {half_way} of {6 * scale} found half way; always run to the same ensemble"


def killed(servers, words, seconds):
    command = [SYNOD, "recover", "--accept-lost-writes", *words, *(str(server.cfg) for server in servers)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    process.kill()
    process.wait()


def names_members(server):
    """Its zoo.cfg, those of a recovery, of which a repeated one begins at the next epoch of nobody's; and it may be started."""
    version = int(re.search(r"zoo\.cfg\.dynamic\.([0-9a-f]+)|$", server.cfg.read_text()).group(1) or "0", 16)
    return version >= EPOCHS_AHEAD << 32 and not record_of(server).startswith("converting")


def record_of(server):
    record = server.folder / "data/consensus"
    return record.read_text() if record.exists() else ""


def refusals(folder, scale):
    """Each for its reason, and nothing is changed."""
    with Stricken(folder, THREE) as ensemble:
        ensemble.begin()
        one, two, three = ensemble.some(1, 2, 3)
        with client_of(one) as kazoo:
            kazoo.create("/x")
        refused(recover([one]), "has to be stopped for a recovery")
        ensemble.strike()
        (folder / "empty").mkdir()
        before = everything(folder)
        line = f"server.4=127.0.0.1:{two.quorum_port}:1;2"
        for words, why, status in (
                ([one.cfg, two.cfg], "are a quorum of 3 voters", 3),
                ([one.cfg, one.cfg], "given twice", 3),
                ([one.cfg, "--add", "server.4=nonsense"], "--add", 3),
                ([one.cfg, "--add", line], "an address in common", 3),
                ([one.cfg, "--add", two.line], "number of a member whose directory is not given", 3),
                ([one.cfg, "--add", "server.4=h:1:2;3", "--add", "server.5=h:4:5;6"], "could not start", 3),
                ([one.folder / "data"], "one zoo.cfg of a survivor is needed", 2),
                ([one.cfg, folder / "empty"], "myid", 2),
                ([folder / "nothing.cfg"], "nothing.cfg", 2)):
            refused(synod("recover", "--accept-lost-writes", *words), why, status=status)
            require(everything(folder) == before, f"{words} changed something")
        said = synod("recover", one.cfg, "--add", f"server.4=127.0.0.1:1:2;3", three.folder / "data")
        refused(said, "are a quorum of 3 voters")
        help_text = synod("recover", "--help").stdout
        require("synod recover a/zoo.cfg" in help_text and "--accept-lost-writes" in help_text, f"--help says:\n{help_text}")
        return "ten, each for its reason"


ALL = {case.__name__: case for case in (engines, java, most_advanced, alone, interrupted, refusals)}

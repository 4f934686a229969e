"""Who belongs to a running ensemble changes, under load: what must hold, seen from outside."""

import re
import signal
import subprocess
import time

from kazoo.exceptions import KazooException

from clients import Writer, client_of, connected, is_turning_away, membership, require, wait_until
from ensemble import JARS, Failed, four_letters
from fleet import Fleet, quor
from fleet import ask as take

ENGINES = ("zab", "raft", "omnipaxos")


# ---- every kind of change, one after the other ------------------------------------------------

def changes(folder, scale, engine):
    """Observer, promotion, voters, a follower and the leader removed, demotion, all of it at once; then everyone is restarted."""
    with Fleet(folder, engine=engine) as fleet:
        fleet.begin(1, 2, 3)
        writer = Writer(fleet.belonging())
        writer.start()
        writer.wait_for_more()
        steps = 0
        for _ in range(scale):
            steps += one_round(fleet, writer)
        acknowledged = writer.finish()
        if writer.problem:
            raise writer.problem
        for server in fleet.belonging():
            writer.require_all_at(server)
        fleet.restart_all()
        fleet.check()
        for server in fleet.belonging():
            writer.require_all_at(server)
        with client_of(*fleet.belonging()) as client:
            client.create("/after")
        return (f"{steps} changes, {fleet.in_doubt} of them not answered, {len(acknowledged)} writes acknowledged, {writer.unanswered} unanswered, none lost; "
                f"longest pause {writer.longest_gap:.1f} s")


def one_round(fleet, writer):
    """From servers 1, 2, 3 and back to them."""
    steps = 0

    def step(**what):
        nonlocal steps
        fleet.change(**what)
        writer.go_to(fleet.belonging())
        writer.wait_for_more()
        steps += 1

    fresh(fleet, 4, "observer")
    step(joining={4: "observer"}, unaffected=(1, 2, 3))
    with connected(fleet.servers[4]) as breaks:
        step(joining={4: "participant"})
        require(not breaks, f"server 4 broke with its clients when it became a voter: {breaks}")
    fresh(fleet, 5)
    restart(fleet, 5)  # it does not belong yet
    step(joining={5: "participant"}, unaffected=(1, 2, 3))
    restart(fleet, 5)
    fleet.check()
    require_figures(fleet, 5)
    require_status_of_instances(fleet)
    follower = next(sid for sid in (1, 2, 3) if fleet.servers[sid] is not fleet.leader())
    step(leaving=(follower,))
    leave(fleet, follower)
    leader = fleet.leader().sid
    step(leaving=(leader,))
    leave(fleet, leader)
    demoted = next(sid for sid in fleet.members if fleet.servers[sid] is not fleet.leader())
    step(joining={demoted: "observer"})
    require_figures(fleet, 2)
    for sid in (1, 2, 3):
        if sid not in fleet.members:
            fresh(fleet, sid)
    step(new_members={sid: "participant" for sid in (1, 2, 3)})
    for sid in (4, 5):
        leave(fleet, sid)
    require_figures(fleet, 3)
    return steps


def fresh(fleet, sid, role="participant"):
    """Started for the first time, or again with an empty directory and other ports, as another machine would be."""
    old = fleet.servers.pop(sid, None)
    if old:
        old.kill()
        old.folder.rename(old.folder.with_name(f"{old.folder.name}-{old.quorum_port}"))
    fleet.launch(sid, role)


def restart(fleet, sid):
    fleet.servers[sid].kill()
    fleet.servers[sid].start()
    fleet.wait_for_newcomer(sid)


def leave(fleet, sid):
    """Who was removed disturbs nobody while it still runs, and does not come back by accident."""
    if sid in fleet.members:
        return
    server = fleet.servers[sid]
    epoch = quor(fleet.leader())["epoch"]
    wait_until(lambda: server.mode() != "leader", f"the removed server {sid} does not lead")
    require(quor(fleet.leader())["epoch"] == epoch, f"server {sid} disturbed those that go on")
    if fleet.engine == "omnipaxos":  # with the others it serves on, as a guest that watches
        wait_until(lambda: is_turning_away(server), f"the removed server {sid} turns clients away")
    server.kill()


def require_figures(fleet, voters):
    for server in fleet.belonging():
        said = quor(server)
        wanted = {"voters": str(voters), "quorum": str(voters // 2 + 1), "tolerated": str((voters - 1) // 2)}
        require(said.items() >= wanted.items(), f"server {server.sid} says {said}, and not {wanted}")


def require_status_of_instances(fleet):
    said = fleet.run("status", *(f"127.0.0.1:{server.port}" for server in fleet.belonging()))
    has_them = re.search(r"instances: .* stopped .*; .* running", said.stdout) is not None
    require(has_them == (fleet.engine == "omnipaxos"), f"synod status says {said}")


# ---- all replaced -----------------------------------------------------------------------------

def replaced(folder, scale, engine):
    """Each of three servers replaced by a new one, by one command, the last two of the old ones dead by then."""
    with Fleet(folder, engine=engine) as fleet:
        fleet.begin(1, 2, 3)
        writer = Writer(fleet.belonging())
        writer.start()
        writer.wait_for_more(100)
        new = 4
        for turn in range(scale):
            for old in list(fleet.members):
                fresh(fleet, new)
                if turn == 0 and old != 1:
                    fleet.servers[old].kill()
                done = fleet.command("replace", str(old), fleet.servers[new].line)
                require(done.returncode == 0, f"synod replace {old} ends with {done.returncode}: {done.stdout}{done.stderr}")
                fleet.members[new] = fleet.members.pop(old)
                fleet.check()
                writer.go_to(fleet.belonging())
                writer.wait_for_more()
                fleet.servers[old].kill()
                new += 1
        acknowledged = writer.finish()
        if writer.problem:
            raise writer.problem
        for server in fleet.belonging():
            writer.require_all_at(server)
        return (f"{3 * scale} servers replaced, {len(acknowledged)} writes acknowledged, {writer.unanswered} unanswered, none lost; "
                f"longest pause {writer.longest_gap:.1f} s")


# ---- refusals ---------------------------------------------------------------------------------

def code_of(what):
    try:
        what()
    except KazooException as refusal:
        return refusal.code
    return 0


def refusals_of(fleet):
    """{what was asked: the error code}. Nothing of it changes the membership."""
    one, two, three = (fleet.servers[sid] for sid in (1, 2, 3))
    absent = {sid: line for sid, line in ((8, "server.8=127.0.0.1:1:2:participant;127.0.0.1:3"), (9, "server.9=127.0.0.1:4:5:participant;127.0.0.1:6"))}
    with client_of(one, is_super=False) as client:
        said = {"not allowed": code_of(lambda: client.reconfig(absent[8], None, None)),
                "not allowed, and wrong": code_of(lambda: client.reconfig("abc", None, None))}
    with client_of(two) as client:
        ask = client.reconfig
        said |= {
            "another version": code_of(lambda: ask(absent[8], None, None, 5)),
            "nonsense joins": code_of(lambda: ask("abc", None, None)),
            "no client port": code_of(lambda: ask("server.8=127.0.0.1:1:2:participant", None, None)),
            "an unknown role": code_of(lambda: ask("server.8=127.0.0.1:1:2:king;127.0.0.1:3", None, None)),
            "one voter left": code_of(lambda: ask(None, "2,3", None)),
            "nobody left": code_of(lambda: ask(None, "1,2,3", None)),
            "only observers": code_of(lambda: ask(None, None, one.line_as("observer"))),
            "new ones that are not there": code_of(lambda: ask(None, None, ",".join([three.line, *absent.values()]))),
            "an unknown one leaves": code_of(lambda: take(client, "", "77", "")),
        }
    return {**said, "another is not finished": second_change(fleet)}


def second_change(fleet):
    """The code it gets while the one before (all stay as they are) finds no quorum: the followers stand still."""
    leader = fleet.leader()
    followers = [server for server in fleet.belonging() if server is not leader]
    with client_of(leader) as client:
        try:
            for server in followers:
                server.process.send_signal(signal.SIGSTOP)
            first = client.reconfig_async(leader.line, None, None, -1)
            second = client.reconfig_async(leader.line, None, None, -1)
            wait_until(lambda: re.search(r"Outstanding: [1-9]", four_letters(leader.port, b"srvr")), "the first is under way")
            time.sleep(0.3)  # the second follows on the same connection
        finally:
            for server in followers:
                server.process.send_signal(signal.SIGCONT)
        require(code_of(first.get) == 0, "the first is done when they go on")
        code = code_of(second.get)
    fleet.check()
    return code


# Java's server meets an exception there that it did not expect, and says MARSHALLINGERROR.
OTHERWISE_IN_JAVA = {"only observers": -8}


def refusals(folder, scale, engine):
    """The codes are those of a Java ensemble."""
    with Fleet(folder, engine=engine) as fleet:
        fleet.begin(1, 2, 3)
        said = refusals_of(fleet)
        wanted = {**java_refusals(folder), **OTHERWISE_IN_JAVA}
        require(said == wanted, f"Synod says {said}, Java {wanted}")
        members, _ = membership(fleet.servers[1])
        require(set(members) == {1, 2, 3}, f"a refused change left {members}")
    return f"{len(said)} requests answered as by Java: {sorted(set(said.values()))}"


_java_said = {}


def java_refusals(folder):
    if not _java_said:
        with Fleet(folder / "java", kind="java") as fleet:
            fleet.begin(1, 2, 3)
            _java_said.update(refusals_of(fleet))
    return _java_said


def disabled(folder, scale, engine):
    """Without reconfigEnabled, and with a single server."""
    with Fleet(folder, engine=engine, reconfigEnabled="false") as fleet:
        fleet.begin(1, 2, 3)
        before = {server.sid: server.cfg.read_text() for server in fleet.belonging()}
        with client_of(*fleet.belonging()) as client:
            code = code_of(lambda: client.reconfig(None, "3", None))
        require(code == -123, f"the code is {code}")
        said = fleet.command("reconfig", "--remove", "3")
        require(said.returncode == 1 and "reconfigEnabled=true" in said.stderr, f"synod reconfig says {said}")
        for server in fleet.belonging():
            require(server.cfg.read_text() == before[server.sid], f"zoo.cfg of server {server.sid} was changed")
    return "RECONFIGDISABLED (-123), and no file is touched"


# ---- the operator's commands ------------------------------------------------------------------

def commands(folder, scale, kind):
    """synod reconfig shows, foretells and changes, with Java's servers too."""
    with Fleet(folder, kind=kind) as fleet:
        fleet.begin(1, 2, 3)
        shown = fleet.command("reconfig")
        require(shown.returncode == 0 and fleet.servers[2].line in shown.stdout and "in step" in shown.stdout, f"it shows {shown}")
        misspelt = fleet.run("reconfig", "--ad", "x")
        require(misspelt.returncode == 2 and "--ad" in misspelt.stderr, f"a misspelt option: {misspelt}")
        absent = "server.8=127.0.0.1:1:2:participant;127.0.0.1:3"
        foretold = fleet.command("reconfig", "--add", absent, "--remove", "1,2", "--dry-run", "--wait", "1")
        require(foretold.returncode == 1 and "would be refused" in foretold.stderr and "server.8" in foretold.stderr, f"it foretells {foretold}")
        fleet.launch(4)
        fine = fleet.command("reconfig", "--add", fleet.servers[4].line, "--remove", "3", "--dry-run")
        require(fine.returncode == 0 and f"+ {fleet.servers[4].line}" in fine.stdout and f"- {fleet.servers[3].line}" in fine.stdout, f"it foretells {fine}")
        members, version = membership(fleet.servers[1])
        require(set(members) == {1, 2, 3}, "a dry run changed the membership")
        stale = fleet.command("reconfig", "--remove", "3", "--version", f"{version + 1:x}")
        require(stale.returncode == 1 and f"version {version:x}" in stale.stderr, f"another version: {stale}")
        done = fleet.command("reconfig", "--add", fleet.servers[4].line, "--remove", "3", "--version", f"{version:x}")
        require(done.returncode == 0 and "Done" in done.stdout, f"it changes {done}")
        fleet.members = {1: "participant", 2: "participant", 4: "participant"}
        fleet.check()
        whole = folder / "members.txt"
        whole.write_text("\n".join([*fleet.lines()[:2], fleet.servers[4].line_as("observer")]) + "\n")
        done = fleet.command("reconfig", "--members", str(whole))
        require(done.returncode == 0, f"all of it: {done}")
        fleet.members[4] = "observer"
        fleet.check()
        late = fleet.command("replace", "2", "server.8=127.0.0.1:1:2:participant;127.0.0.1:3", "--wait", "1")
        require(late.returncode == 1 and "server.8" in late.stderr, f"replace by nobody: {late}")
        fleet.servers[3].kill()
        if kind == "synod":
            fleet.servers[3].start()
            wait_until(lambda: fleet.servers[3].process.poll() is not None, "a removed server does not start")
            require("removed server 3" in fleet.servers[3].log, f"it says {fleet.servers[3].log[-600:]}")
    return "shown, foretold, refused, changed, by parts and as a whole"


def java_client(folder, scale, engine):
    """zkCli.sh's config and reconfig, as its users type them."""
    with Fleet(folder, engine=engine) as fleet:
        fleet.begin(1, 2, 3)
        fleet.launch(4, "observer")
        typed = ["addauth digest super:secret", "config", f"reconfig -add {fleet.servers[4].line}", "config -c", "reconfig -remove 3"]
        said = subprocess.run(["java", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", JARS, "org.apache.zookeeper.ZooKeeperMain",
                               "-server", f"127.0.0.1:{fleet.servers[1].port}"], input="\n".join([*typed, "quit"]) + "\n",
                              capture_output=True, text=True, check=False, timeout=120)
        require(said.stdout.count("Committed new configuration") == 2, f"zkCli says {said.stdout[-2000:]}{said.stderr[-2000:]}")
        fleet.members = {1: "participant", 2: "participant", 4: "observer"}
        fleet.check()
    return "an observer added, a follower removed"


def of_engines(case):
    return {f"{case.__name__}-{engine}": (case, engine) for engine in ENGINES}


ALL = {
    **of_engines(changes), **of_engines(replaced), **of_engines(refusals), "disabled": (disabled, "zab"),
    "commands": (commands, "synod"), "commands-java": (commands, "java"), "java-client": (java_client, "zab"),
}

"""How a server comes to have what the others have: DIFF, TRUNC, SNAP, each way."""

import re
import threading

import places  # noqa: F401  first: it says where to look for the others
import servers
from client import Client, create, read_tree
from ensemble import four_letters
from load import Load
from scenario import both, mixed, require, require_brought_up, restarted, scenario, settled

LOST = 2


@scenario(**{"by-synod": ({1: "java", 2: "java", 3: "synod"}, 3), "by-synod-first": ({1: "synod", 2: "java", 3: "java"}, 1),
             "by-java": ({1: "synod", 2: "synod", 3: "java"}, 3), "by-java-first": ({1: "java", 2: "synod", 3: "synod"}, 1)})
def joined(stage, kinds, joiner):
    """Two of the other kind serve; then the third comes."""
    with stage.ensemble(kinds) as ensemble:
        others = [sid for sid in kinds if sid != joiner]
        restarted(ensemble, *others)
        mixed.grow(ensemble.leader(), 20, "/before")
        restarted(ensemble, joiner)
        require(ensemble.members[joiner].mode() == "follower", f"the new one says {ensemble.members[joiner].mode()}")
        require(ensemble.brought_up(joiner)[-1:] in (["DIFF"], ["SNAP"]), f"it was brought up by {ensemble.brought_up(joiner)}")
        leader = ensemble.leader()
        if leader.is_java:
            synced = re.search(r"zk_synced_followers\s+(\d+)", four_letters(leader.port, b"mntr"))
            require(synced and synced[1] == "2", f"synced followers: {synced and synced[1]}")
        settled(ensemble, "after it joined")
        return f"{leader.kind} server {leader.sid} leads, {ensemble.brought_up(joiner)[-1]}"


@both
def joins(stage, kinds):
    """Killed, 40 writes missed: DIFF. Wiped: SNAP. Each time it acknowledges NEWLEADER and UPTODATE."""
    with stage.ensemble(kinds) as ensemble:
        said = mixed.joins(ensemble, 3, 2, 0)
        require(ensemble.brought_up(2)[-2:] == ["DIFF", "SNAP"], f"on the wire it was {ensemble.brought_up(2)}")
        for _, conversation in ensemble.watch.conversations(2)[-2:]:
            require(conversation.epoch_acks == 2, f"{conversation.epoch_acks} ACKs of the epoch")
        if ensemble.members[3].is_java:
            require("Using committedLog for peer sid: 2" in ensemble.members[3].log, "the leader did not use its committedLog")
        return said


@both
def diff_from_log(stage, kinds):
    """More is missed than the leader has in memory, little beside its snapshot."""
    missed = 700
    with stage.ensemble(kinds) as ensemble:
        leader = mixed.started(ensemble, 3)
        with Client(leader.port) as client:
            client.must(create("/large"))
            require(all(error == 0 for error, _ in client.many([create(f"/large/{i}", "v" * 4000) for i in range(600)])), "a create fails")
        for member in ensemble.members.values():
            member.kill()
        leader = mixed.started(ensemble, 3)  # a new leader takes a snapshot
        mixed.grow(leader, 20, "/known")
        ensemble.members[2].kill()
        mixed.grow(leader, missed, "/missed")
        restarted(ensemble, 2)
        require_brought_up(ensemble, 2, "DIFF")
        told = ensemble.watch.conversations(2)[-1][1].names(False)
        history = told[:told.index("NEWLEADER")].count("PROPOSAL")
        require(history > missed, f"{history} transactions of history for {missed} missed ones")
        settled(ensemble, "after DIFF from the log")
        return f"DIFF with {history} transactions"


@both
def forced_snap(stage, kinds):
    """forceSnapshotSync, while others write: the snapshot is older than what follows it, and newer."""
    with stage.ensemble(kinds, properties={"zookeeper.forceSnapshotSync": "true"}) as ensemble:
        mixed.started(ensemble, 3)
        mixed.grow(ensemble.members[3], 2000, "/before")
        rounds = 5 if stage.is_long else 2
        load = Load([ensemble.members[sid].port for sid in (1, 3)], seed=5)
        stop = threading.Event()
        thread = threading.Thread(target=lambda: [load.run(100) for _ in iter(stop.is_set, True)])
        thread.start()
        try:
            for turn in range(rounds):
                ensemble.members[2].kill()
                if turn % 2:
                    ensemble.members[2].wipe()
                restarted(ensemble, 2)
                require_brought_up(ensemble, 2, "SNAP")
        finally:
            stop.set()
            thread.join()
        settled(ensemble, "after SNAP under load")
        return f"{rounds} snapshots during {load.answered} operations"


def logged_alone(ensemble, old):
    """Its two followers die, and it logs what nobody else gets; then it dies, too."""
    client = Client(old.port)
    for member in ensemble.members.values():
        if member is not old:
            member.kill()
    for i in range(LOST):
        client.send(create(f"/lost{i}"))
    mixed.time.sleep(0.3)  # logged, and within the tick that the leader still believes in its quorum
    old.kill()
    client.drop()


def put_in_a_snapshot(old):
    """A server without an ensemble takes a snapshot when it starts, as one that is about to lead does: the lost ones are in it."""
    standalone = servers.Server("java", old.folder)
    standalone.start({}, {})
    standalone.wait_ready()
    require("/lost0" in read_tree(standalone.port), "the lost one was not even logged")
    standalone.stop()


def newest_snapshot(member):
    return max(int(file.name.split(".")[1], 16) for file in (member.folder / "data" / "version-2").glob("snapshot.*"))


@scenario(**{"by-java": ({1: "java", 2: "java", 3: "synod"}, False), "by-synod": ({1: "java", 2: "synod", 3: "java"}, False),
             "snapshot-by-java": ({1: "java", 2: "java", 3: "synod"}, True)})
def truncated(stage, kinds, has_snapshot):
    """A leader's last proposals are nobody else's: TRUNC, and they are gone, also from a snapshot, also after a restart."""
    with stage.ensemble(kinds) as ensemble:
        old = mixed.started(ensemble, 3)
        mixed.grow(old, 100, "/before")
        logged_alone(ensemble, old)
        if has_snapshot:
            put_in_a_snapshot(old)
        restarted(ensemble, 1, 2)
        leader = ensemble.leader()
        require(leader.sid == 2, f"server {leader.sid} leads, 2 should")
        restarted(ensemble, 3)
        require_brought_up(ensemble, 3, "TRUNC")
        target = next(packet.zxid for _, packet in ensemble.watch.conversations(3)[-1][1].seen if packet.name == "TRUNC")
        if not old.is_java:
            require(newest_snapshot(old) <= target, f"a snapshot {newest_snapshot(old):x} is left, newer than {target:x}")
        require_lost_are_gone(ensemble, old)
        old.kill()
        restarted(ensemble, 3)
        require_lost_are_gone(ensemble, old)
        settled(ensemble, "after TRUNC")
        return f"TRUNC to {target:x}" + (" of a log and its snapshot" if has_snapshot else "")


def require_lost_are_gone(ensemble, member):
    tree = read_tree(member.port)
    require(not [path for path in tree if path.startswith("/lost")], "the lost proposals are still there")
    require("/before/99" in tree, "what all had is not there")


@scenario(**{"by-java": {1: "java", 2: "java", 3: "synod"}, "by-synod": {1: "java", 2: "synod", 3: "java"}})
def divergent(stage, kinds):
    """The same, and the new epoch has transactions by then: Java's leader sends a snapshot, ours cuts back to what both have and goes on."""
    with stage.ensemble(kinds) as ensemble:
        old = mixed.started(ensemble, 3)
        mixed.grow(old, 100, "/before")
        logged_alone(ensemble, old)
        restarted(ensemble, 1, 2)
        leader = ensemble.leader()
        require(leader.sid == 2, f"server {leader.sid} leads, 2 should")
        mixed.grow(leader, 5, "/newer")
        restarted(ensemble, 3)
        how = "SNAP" if leader.is_java else "TRUNC"
        require_brought_up(ensemble, 3, how)
        require_lost_are_gone(ensemble, old)
        old.kill()
        restarted(ensemble, 3)
        require_lost_are_gone(ensemble, old)
        settled(ensemble, f"after {how}")
        return how


@both
def restarted_followers(stage, kinds):
    """Under load, kill -9 and back, sometimes wiped: no complaint, and the leader stays."""
    rounds = (100 if kinds[3] == "synod" else 30) if stage.is_long else 6
    with stage.ensemble(kinds) as ensemble:
        leader = mixed.started(ensemble, 3)
        mixed.grow(leader, 500, "/before")
        load, stop = Load([leader.port], seed=14), threading.Event()
        thread = threading.Thread(target=lambda: [load.run(50) for _ in iter(stop.is_set, True)])
        thread.start()
        try:
            for turn in range(rounds):
                sid = 1 + turn % 2
                ensemble.members[sid].kill()
                if turn % 7 == 3:
                    ensemble.members[sid].wipe()
                restarted(ensemble, sid)
        finally:
            stop.set()
            thread.join()
        require(leader.mode() == "leader", "the leader changed")
        ways = [how for sid in (1, 2) for how in ensemble.brought_up(sid)]
        require(len(ways) >= rounds, f"{len(ways)} of {rounds} joins were seen")
        settled(ensemble, "after the restarts")
        return f"{rounds} restarts during {load.answered} operations: " + ", ".join(f"{ways.count(how)} {how}" for how in sorted(set(ways)))

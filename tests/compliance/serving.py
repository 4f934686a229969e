"""Roles, requests and sessions: who decides, who is elected, what clients of either kind of server get."""

import contextlib
import time

import places  # noqa: F401  first: it says where to look for the others
import client
from client import Client, OPEN, create, wire
from load import Load
from scenario import both, java_lost_it, mixed, require, require_brought_up, restarted, scenario, settled, told, wait_until, writing
from watched import TICK, BehindMasters

SESSION_MOVED, NO_NODE, NODE_EXISTS, BAD_VERSION, NOT_EMPTY, NO_AUTH, INVALID_ACL, BAD_ARGUMENTS = -118, -101, -110, -103, -111, -102, -114, -8
RECONFIG_DISABLED, NO_CHILDREN_FOR_EPHEMERALS, NO_WATCHER = -123, -108, -121


@both
def two_of_three(stage, kinds):
    """The third is dead, so that every write needs the ACK of the one follower; then the third asks those two who leads."""
    with stage.ensemble(kinds) as ensemble:
        leader = mixed.started(ensemble, 3)
        ensemble.members[1].kill()
        began, written = time.monotonic(), 0
        with Client(ensemble.members[2].port) as through:
            through.must(create("/two"))
            while time.monotonic() < began + 6 * TICK / 1000:
                through.must(create(f"/two/{written}"))
                written += 1
        _, talk = ensemble.watch.conversations(2, 3)[-1]
        require(leader.mode() == "leader", "the leader stepped down")
        acked = {packet.zxid for is_learner, packet in talk.seen if is_learner and packet.name == "ACK"}
        require(len(acked) > written, f"{len(acked)} ACKs for {written} writes")
        restarted(ensemble, 1)
        require(ensemble.leader().sid == 3, "the third changed who leads")
        settled(ensemble, "after the third came back")
        return f"{written} writes by two, then the third joined by {ensemble.brought_up(1)[-1]}"


@both
def operations(stage, kinds):
    """Multi, sequential, ephemeral, ACLs, containers and failures through all: trees and digests are equal."""
    with stage.ensemble(kinds) as ensemble:
        return mixed.mixed_operations(ensemble, 3, 2, 10_000 if stage.is_long else 2_000)


@scenario(**{"synod": {1: "synod", 2: "java", 3: "java"}, "java": {1: "java", 2: "synod", 3: "synod"}})
def elected_by_zxid(stage, kinds):
    """The smallest number, and the newest log: it leads, and brings the others up to date."""
    with stage.ensemble(kinds) as ensemble:
        mixed.started(ensemble, 3)
        mixed.grow(ensemble.members[3], 20, "/before")
        ensemble.members[2].kill()
        mixed.grow(ensemble.members[1], 20, "/newer")
        for sid in (1, 3):
            ensemble.members[sid].kill()
        restarted(ensemble, 1, 2)
        require(ensemble.leader().sid == 1, f"server {ensemble.leader().sid} leads, and not the one with the newest log")
        restarted(ensemble, 3)
        require(ensemble.leader().sid == 1, "the old leader's return changed who leads")
        Load([member.port for member in ensemble.members.values()], seed=11).run(1000)
        nodes = settled(ensemble, "under the smallest number")
        return f"{kinds[1]} server 1 leads, {nodes} nodes equal"


# ---- every request through the other kind's follower ------------------------------------------

def requests_of(root):
    """(operation, error), through one session."""
    auth = [(31, "auth", "")]
    multi = lambda *ops: {"op": "multi", "ops": list(ops)}
    check = lambda path, version=-1: {"op": "check", "path": path, "version": version}
    set_data = lambda path, data="d", version=-1: {"op": "setData", "path": path, "data": data, "version": version}
    delete = lambda path, version=-1: {"op": "delete", "path": path, "version": version}
    at = lambda name: f"{root}/{name}"
    return [
        (create(root), 0), (create(at("a"), "1"), 0), (create(at("a")), NODE_EXISTS), (create(at("b/c")), NO_NODE),
        (create(at("b"), op="create2"), 0), (create(at("s-"), flags=2), 0), (create(at("s-"), flags=2, op="create2"), 0),
        (create(at("e"), flags=1), 0), (create(at("es-"), flags=3), 0),
        (create(at("e/x")), NO_CHILDREN_FOR_EPHEMERALS), (create(at("c"), flags=4, op="createContainer"), 0),
        (create(at("t"), flags=5, op="createTTL", ttl=60_000), 0), (create(at("ts-"), flags=6, op="createTTL", ttl=60_000), 0),
        (create(at("mine"), acl=auth), 0), (create(at("bad"), acl=[]), INVALID_ACL),
        (set_data(at("a")), 0), (set_data(at("a"), "2", 1), 0), (set_data(at("a"), "2", 1), BAD_VERSION), (set_data(at("none")), NO_NODE),
        ({"op": "setACL", "path": at("b"), "acl": [(1, "world", "anyone")], "version": -1}, 0), (create(at("b/c")), NO_AUTH),
        ({"op": "setACL", "path": at("a"), "acl": OPEN, "version": 7}, BAD_VERSION),
        (delete(root), NOT_EMPTY), (delete(at("none")), NO_NODE), (delete(at("t"), 3), BAD_VERSION), (delete(at("t")), 0),
        (multi(create(at("m")), set_data(at("m")), check(at("a")), delete(at("m")), create(at("m"), op="create2")), 0),
        (multi(create(at("n")), check(at("none")), set_data(at("a"))), NO_NODE),
        ({"op": "sync", "path": root}, 0), ({"op": "exists", "path": at("n")}, NO_NODE), ({"op": "getData", "path": at("a")}, 0),
        ({"op": "getACL", "path": at("mine")}, 0), ({"op": "getChildren", "path": root}, 0), ({"op": "getChildren2", "path": root}, 0),
        ({"op": "multiRead", "ops": [{"op": "getData", "path": at("a")}, {"op": "getChildren", "path": root}]}, 0),
        ({"op": "getEphemerals", "path": root}, 0), ({"op": "getAllChildrenNumber", "path": root}, 0), ({"op": "whoAmI"}, 0),
        ({"op": "getData", "path": at("a"), "watch": True}, 0), ({"op": "checkWatches", "path": at("a"), "type": 2}, 0),
        ({"op": "removeWatches", "path": at("a"), "type": 2}, 0), ({"op": "removeWatches", "path": at("a"), "type": 2}, NO_WATCHER),
        ({"op": "addWatch", "path": at("b"), "mode": 0}, 0),
        ({"op": "reconfig", "join": None, "leave": "1", "members": None, "config": -1}, RECONFIG_DISABLED),
    ]


def outcome(session, operation):
    """The error; of a multi, that of the part that failed."""
    error, values = session.one(operation)
    if operation["op"] == "multi":
        failures = [part[2] for part in values if part[0] == "error" and part[2] not in (0, -2)]
        return failures[0] if failures else error
    return error


def shows_acl(leader, operation):
    """Until it has applied a new list, Java's leader judges by the old one: a learner of ours has answered before."""
    with Client(leader.port) as client:
        return client.must({"op": "getACL", "path": operation["path"]})[0] == operation["acl"]


@both
def requests(stage, kinds):
    """Every request, through each server; watches fire on the others; a session is closed, another expires."""
    with stage.ensemble(kinds, properties={"zookeeper.extendedTypesEnabled": "true"}) as ensemble:
        mixed.started(ensemble, 3)
        count = 0
        for sid, member in ensemble.members.items():
            watcher = ensemble.members[sid % 3 + 1]
            with Client(watcher.port) as other, Client(member.port, auths=("bob:pw",)) as session:
                root = f"/through-{sid}"
                require(other.one({"op": "exists", "path": root, "watch": True})[0] == NO_NODE, f"{root} is there already")
                for operation, wanted in requests_of(root):
                    got = outcome(session, operation)
                    require(got == wanted, f"server {sid}, {str(operation)[:200]}: {got}, not {wanted}")
                    if operation["op"] == "setACL" and not got:
                        wait_until(lambda: shows_acl(ensemble.leader(), operation), "the leader has applied the new ACL")
                    count += 1
                other.must({"op": "sync", "path": root})
                require([(event.type, event.path) for event in other.events] == [(1, root)], f"events of server {watcher.sid}: {other.events}")
            require_gone(watcher, f"/through-{sid}/e", "its closed session")
            expire_a_session(member, watcher)
        nodes = settled(ensemble, "after all requests")
        return f"{count} requests answered as they should, {nodes} nodes equal"


def require_gone(member, path, what):
    with Client(member.port) as session:
        session.must({"op": "sync", "path": "/"})
        require(session.one({"op": "exists", "path": path})[0] == NO_NODE, f"{path} outlived {what}")


def expire_a_session(member, watcher):
    """Its client is gone without a word; the leader, who knows of it by what followers tell, ends it."""
    path = f"/expires-{member.sid}"
    doomed = Client(member.port, timeout_ms=4 * TICK)
    doomed.must(create(path, flags=1))
    kept = Client(member.port, timeout_ms=4 * TICK)
    kept.must(create(f"{path}-not", flags=1))
    doomed.drop()
    with Client(watcher.port) as other:
        def is_gone():
            kept.connection.send(wire.frame({"op": "ping"}, -2, kept))
            other.must({"op": "sync", "path": "/"})
            return other.one({"op": "exists", "path": path})[0] == NO_NODE
        wait_until(is_gone, f"{path} goes with its session")
        require(other.one({"op": "exists", "path": f"{path}-not"})[0] == 0, "a session that was touched expired")
        with contextlib.suppress(client.Refused):
            Client(member.port, session=doomed.session).drop()
            require(False, "an expired session can be resumed")
    while isinstance(kept.connection.next(), wire.Reply) and kept.connection.pending:
        pass  # the answers to its pings
    kept.drop()


@both
def moves(stage, kinds):
    """A session moves to a server of the other kind and back, and through a change of leaders."""
    with stage.ensemble(kinds) as ensemble:
        mixed.started(ensemble, 3)
        here, there = [ensemble.members[sid] for sid in (1, 2)]
        first = Client(here.port, timeout_ms=20_000)
        first.must(create("/mine", "0", flags=1))
        for number, member in enumerate((there, here, ensemble.members[3], there), start=1):
            second = Client(member.port, 20_000, session=first.session)
            require(second.session[0] == first.session[0], "the session changed")
            second.must({"op": "setData", "path": "/mine", "data": str(number), "version": -1})
            require_moved(first, f"/mine-{number}")
            first.drop()
            first = second
        with contextlib.suppress(client.Refused):
            Client(here.port, session=(first.session[0], b"\1" * 16))
            require(False, "a wrong password resumes a session")
        ensemble.members[3].kill()
        first.drop()
        ensemble.wait(1, 2)
        second = Client(here.port, 20_000, session=first.session)
        require(second.must({"op": "getData", "path": "/mine"})[0] == b"4", "the ephemeral node is not what it was")
        second.close()
        require_gone(there, "/mine", "its closed session")
        restarted(ensemble, 3)
        settled(ensemble, "after the moves")
        return "four moves, a new leader, closed"


def require_moved(old, path):
    """The connection that a session has left cannot write for it any more."""
    try:
        error, _ = old.one(create(path))
    except wire.Closed:
        return
    require(error == SESSION_MOVED, f"through the old connection it gets {error}")


# ---- who dies ---------------------------------------------------------------------------------

def new_leader(ensemble, old):
    """Clients are served before the new leader is asked for: until then there may be none."""
    others = [member for member in ensemble.members.values() if member is not old]
    wait_until(lambda: any(member.process and member.mode() == "leader" for member in others), "another leads")
    return ensemble.leader()


@both
def killed(stage, kinds):
    """kill -9 of the leader and of followers of both kinds, under load, each in turn: what was acknowledged is there."""
    with stage.ensemble(kinds) as ensemble:
        mixed.started(ensemble, 3)
        with writing(ensemble.members.values, is_excused=lambda member: java_lost_it(ensemble, member)) as writer:
            led = []
            for _ in range(4 if stage.is_long else 2):
                leader = ensemble.leader()
                led.append(leader.kind)
                leader.kill()
                other = new_leader(ensemble, leader)
                writer.wait_for_more()
                restarted(ensemble, leader.sid)
                require(ensemble.leader() is other, "the old leader's return changed who leads")
                for follower in [member for member in ensemble.members.values() if member is not other]:
                    follower.kill()
                    writer.wait_for_more()
                    restarted(ensemble, follower.sid)
                writer.wait_for_more()
        settled(ensemble, "after the deaths")
        return f"leaders killed: {', '.join(led)}; {told(writer)}"


# ---- observers --------------------------------------------------------------------------------

@scenario(**{"synod": {1: "java", 2: "java", 3: "synod"}, "java": {1: "java", 2: "synod", 3: "java"},
             "java-under-synod": {1: "synod", 2: "synod", 3: "java"}})
def observer(stage, kinds):
    """3 observes: writes through it, DIFF after it was away, SNAP after it was wiped, no part of any quorum."""
    with stage.ensemble(kinds, observers=(3,)) as ensemble:
        mixed.started(ensemble, 2)
        observing = ensemble.members[3]
        require(observing.mode() == "observer", f"it says {observing.mode()}")
        Load([member.port for member in ensemble.members.values()], seed=15).run(500)
        mixed.grow(observing, 100, "/through")
        observing.kill()
        mixed.grow(ensemble.members[1], 30, "/missed")
        restarted(ensemble, 3)
        require_brought_up(ensemble, 3, "DIFF")
        mixed.grow(observing, 30, "/again")
        observing.kill()
        observing.wipe()
        restarted(ensemble, 3)
        require_brought_up(ensemble, 3, "SNAP")
        heard = [conversation for _, conversation in ensemble.watch.conversations(3)]
        require(sum(conversation.names(False).count("INFORM") for conversation in heard) > 100, "it got no INFORMs")
        settled(ensemble, "with an observer")
        ensemble.members[1].kill()
        wait_until(lambda: not ensemble.members[2].mode(), "one of two voters and an observer serve nobody")
        restarted(ensemble, 1)
        ensemble.wait()
        settled(ensemble, "with the voter back")
        return "DIFF, SNAP, writes through it, no say"


@scenario(**{"synod": {1: "java", 2: "java", 3: "java", 4: "synod"}, "java": {1: "synod", 2: "synod", 3: "java", 4: "java"},
             "java-under-synod": {1: "synod", 2: "java", 3: "synod", 4: "java"}, "synod-under-synod": {1: "java", 2: "java", 3: "synod", 4: "synod"}})
def observer_master(stage, kinds):
    """4 observes behind a follower: writes, syncs and sessions through it; then its master dies, and then the leader."""
    with stage.ensemble(kinds, made=BehindMasters, observers=(4,)) as ensemble:
        mixed.started(ensemble, 3)
        observing = ensemble.members[4]
        require(observing.mode() == "observer", f"it says {observing.mode()}")
        Load([member.port for member in ensemble.members.values()], seed=16).run(500)
        mixed.grow(observing, 100, "/through")
        expire_a_session(observing, ensemble.members[1])
        moved_behind_a_master(ensemble)
        settled(ensemble, "behind a master")
        first = masters(ensemble)[-1]
        ensemble.members[first].kill()
        wait_until(lambda: masters(ensemble)[-1] not in (first, 3), "the other follower serves the observer")
        mixed.grow(observing, 30, "/behind-the-other")
        restarted(ensemble, first)
        so_far = len(masters(ensemble))
        ensemble.members[3].kill()
        wait_until(lambda: len(masters(ensemble)) > so_far, "the observer is served under another leader")
        ensemble.wait(1, 2, 4)
        mixed.grow(observing, 30, "/under-another")
        restarted(ensemble, 3)
        ensemble.wait(4)
        settled(ensemble, "with all back")
        heard = [conversation.names(False).count("INFORM") for _, conversation in ensemble.watch.conversations(4)]
        require(sum(heard) > 100, "it got no INFORMs")
        return f"behind server {first}, then another, then under another leader: {sum(heard)} INFORMs"


def masters(ensemble):
    """Who served the observer, one after the other."""
    return [connection.leader for connection, talk in ensemble.watch.conversations(4) if "UPTODATE" in talk.names(False)]


def moved_behind_a_master(ensemble):
    """A session comes from a follower to the observer and goes to the leader: the questions pass the master."""
    first = Client(ensemble.members[1].port, timeout_ms=20_000)
    first.must(create("/observed", "0", flags=1))
    for number, sid in enumerate((4, 3, 4), start=1):
        second = Client(ensemble.members[sid].port, 20_000, session=first.session)
        second.must({"op": "setData", "path": "/observed", "data": str(number), "version": -1})
        second.must({"op": "sync", "path": "/observed"})
        first.drop()
        first = second
    first.close()
    require_gone(ensemble.members[4], "/observed", "its closed session")


# ---- quorums with weights ---------------------------------------------------------------------

GROUPS = {"group.1": "1:2", "group.2": "3", "weight.1": 1, "weight.2": 2, "weight.3": 1}
WEIGHTLESS = {"group.1": "1:2:3", "weight.1": 1, "weight.2": 1, "weight.3": 0}


@both
def groups(stage, kinds):
    """Of 1 and 2 the second outweighs the first, and 3 is a group of its own: only 2 and 3 together are a quorum."""
    with stage.ensemble(kinds, GROUPS) as ensemble:
        mixed.started(ensemble, 3)
        ensemble.members[1].kill()
        mixed.grow(ensemble.members[2], 50, "/without-1")
        require(ensemble.leader().sid == 3, "the leader changed")
        restarted(ensemble, 1)
        ensemble.members[2].kill()
        wait_until(lambda: not ensemble.members[1].mode() and not ensemble.members[3].mode(), "two of three without the heavier serve nobody")
        restarted(ensemble, 2)
        ensemble.wait()
        mixed.grow(ensemble.members[1], 50, "/with-all")
        settled(ensemble, "with groups")
        return "1 is not needed, 2 is"


@scenario(**{"under-synod": {1: "java", 2: "synod", 3: "java"}, "under-java": {1: "synod", 2: "java", 3: "synod"}})
def weightless(stage, kinds):
    """3 has the largest number and no weight: it never leads, and is not needed."""
    with stage.ensemble(kinds, WEIGHTLESS) as ensemble:
        ensemble.start()
        ensemble.wait()
        require(ensemble.leader().sid == 2, f"server {ensemble.leader().sid} leads")
        ensemble.members[3].kill()
        mixed.grow(ensemble.members[1], 50, "/without-3")
        restarted(ensemble, 3)
        ensemble.members[2].kill()
        wait_until(lambda: not ensemble.members[1].mode() and not ensemble.members[3].mode(), "one of weight 1 of 2 serves nobody")
        restarted(ensemble, 2)
        ensemble.wait()
        require(ensemble.leader().sid != 3, "the one without weight leads")
        settled(ensemble, "with weights")
        return "2 leads, 3 is not needed"

"""One kind of server under the other's lead: joining by DIFF, SNAP and TRUNC, and 10,000 mixed operations.

Each case knows who must lead: of voters with equal logs the largest id does.
"""

import time

from client import Client, create, read_tree, require_equal
from ensemble import Failed
from load import Load

COMPLAINTS = ("Digests are not matching", "digest differs", "carry a tree digest", "NullPointerException",
              "DIFF sync got proposal", "Committing zxid", "Severe unrecoverable")


def require(is_so, what):
    if not is_so:
        raise Failed(what)


def same_trees(ensemble, what):
    """After a sync through each member, all have the same tree; only their own configuration node may differ."""
    trees = {}
    for sid, member in ensemble.members.items():
        if member.process is None:
            continue
        with Client(member.port) as client:
            client.must({"op": "sync", "path": "/"})
        trees[sid] = {path: node for path, node in read_tree(member.port).items() if path != "/zookeeper/config"}
    first = next(iter(trees))
    for sid, tree in trees.items():
        require_equal(trees[first], tree, what, (f"server {first}", f"server {sid}"))
    return len(trees[first])


def no_complaints(ensemble):
    for member in ensemble.members.values():
        for complaint in COMPLAINTS:
            require(complaint not in member.log, f"{member.kind} server {member.sid} says: {complaint}\n{member.log[-2000:]}")


def grow(member, count, root):
    """`count` new nodes through this member."""
    with Client(member.port) as client:
        client.must(create(root))
        for error, _ in client.many([create(f"{root}/{i}", "v" * 100) for i in range(count)]):
            require(error == 0, f"create gets error {error}")


def started(ensemble, leads):
    """The one that shall lead is up before the others, or a quicker quorum elects without it."""
    ensemble.start(leads)
    ensemble.members[leads].wait_for_election_port()
    ensemble.start(*[sid for sid in ensemble.members if sid != leads])
    ensemble.wait()
    leader = ensemble.leader()
    require(leader.sid == leads, f"server {leader.sid} leads, {leads} should")
    return leader


def mixed_operations(ensemble, leads, learner, count):
    """`count` operations through all three; then every tree is equal, and nobody complained."""
    started(ensemble, leads)
    load = Load([member.port for member in ensemble.members.values()], seed=leads)
    load.run(count)
    nodes = same_trees(ensemble, "after the load")
    no_complaints(ensemble)
    return f"{load.answered} operations answered ({load.failed} with an error), {nodes} nodes equal"


def joins(ensemble, leads, learner, _):
    """The learner misses little (DIFF), loses everything (SNAP), with a load running meanwhile."""
    said = []
    leader = started(ensemble, leads)
    member = ensemble.members[learner]
    grow(leader, 600, "/before")
    member.kill()
    grow(leader, 40, "/missed")
    ensemble.start(learner)
    ensemble.wait(learner)
    same_trees(ensemble, "after DIFF")
    said.append(expect(leader, member, "DIFF"))
    member.kill()
    member.wipe()
    ensemble.start(learner)
    ensemble.wait(learner)
    same_trees(ensemble, "after SNAP")
    said.append(expect(leader, member, "SNAP"))
    Load([m.port for m in ensemble.members.values()], seed=7).run(1000)
    same_trees(ensemble, "afterwards")
    no_complaints(ensemble)
    return "; ".join(said)


def truncated(ensemble, leads, learner, _):
    """A leader logs what nobody else has and dies; the others elect one of themselves; it comes back and drops it."""
    old = started(ensemble, leads)
    grow(old, 600, "/before")
    client = Client(old.port)
    others = [m for m in ensemble.members.values() if m is not old]
    for member in others:
        member.kill()
    for i in range(2):
        client.send(create(f"/lost{i}"))
    time.sleep(0.3)  # logged, and within the tick that the leader still believes in its quorum
    old.kill()
    client.drop()
    ensemble.start(*[m.sid for m in others])
    ensemble.wait(*[m.sid for m in others])
    leader = ensemble.leader()
    require(leader.sid == learner, f"server {leader.sid} leads, {learner} should")
    ensemble.start(old.sid)
    ensemble.wait(old.sid)
    tree = read_tree(old.port)
    require("/lost0" not in tree and "/before/599" in tree, "the lost proposals are still there")
    same_trees(ensemble, "after TRUNC")
    said = expect(leader, old, "TRUNC")
    no_complaints(ensemble)
    return said


SAID = {"DIFF": ("Sending DIFF", "Getting a diff from the leader"),
        "SNAP": ("Sending snapshot", "Getting a snapshot from leader"),
        "TRUNC": ("", "Truncating log to get in sync with the leader")}  # Java's leader does not tell


def expect(leader, learner, how):
    """What the Java side of the link logged says how the learner was brought up."""
    by_leader, by_learner = SAID[how]
    if leader.is_java:
        require(by_leader in leader.log, f"the Java leader did not say '{by_leader}'\n{leader.log[-2000:]}")
    if learner.is_java:
        require(by_learner in learner.log, f"the Java learner did not say '{by_learner}'\n{learner.log[-2000:]}")
    return how


# name: (case, kinds, who leads, the learner looked at (or, for TRUNC, who leads afterwards))
ALL = {
    "operations-under-java": (mixed_operations, {1: "java", 2: "synod", 3: "java"}, 3, 2),
    "operations-under-synod": (mixed_operations, {1: "java", 2: "java", 3: "synod"}, 3, 1),
    "joins-under-java": (joins, {1: "java", 2: "synod", 3: "java"}, 3, 2),
    "joins-under-synod": (joins, {1: "java", 2: "java", 3: "synod"}, 3, 2),
    "truncated-by-java": (truncated, {1: "java", 2: "java", 3: "synod"}, 3, 2),
    "truncated-by-synod": (truncated, {1: "java", 2: "synod", 3: "java"}, 3, 2),
}

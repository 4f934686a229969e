"""What is too large, or poison to Java: nothing that Synod accepts may stop a later start, its own or Java's."""

import shutil

import client
import poison  # noqa: E402  (beside wire.py; found by directory)
from client import SUPER, Client, create
from directory import Failure, Server, copy, require, servers

EPHEMERALS = 100_000
LONG_NAME = "e" * 70
AUTHS = 400
JUTE_MAX = 0xFFFFF  # the default of jute.maxbuffer
KINDS = ("synod", "java")


def require_opens(folder, place, tree, what, but=(), ignoring=()):
    """Both servers start on copies of `place`, and show `tree` (nodes in `ignoring` aside)."""
    tree = {path: node for path, node in tree.items() if path not in ignoring}
    for kind in KINDS:
        with Server(kind, copy(place / "data", folder / f"{place.name}-{kind}")) as server:
            found = {path: node for path, node in client.read_tree(server.port).items() if path not in ignoring}
            client.require_equal(tree, found, f"{what}: {kind} after a restart")
            lines = [line for line in server.complaints() if not any(word in line for word in but)]
            require(not lines, f"{what}: {kind} complains:\n", "\n".join(lines[:10]))
        shutil.rmtree(folder / f"{place.name}-{kind}")


def many_ephemerals(folder):
    """One session owns so many that a list of their paths is no legal transaction; it is closed."""
    place = folder / "ephemerals"
    with Server("synod", place) as server:
        owner, other = Client(server.port, 600_000), Client(server.port, 600_000)
        owner.must(create("/home"))
        other.must(create("/home/of-another", flags=1))
        answers = owner.many([create(f"/home/{LONG_NAME}{i:06}", None, flags=1) for i in range(EPHEMERALS)])
        require(all(err == 0 for err, _ in answers), "not all ephemerals were created")
        require(other.must({"op": "getAllChildrenNumber", "path": "/home"})[0] == EPHEMERALS + 1, "they are not all there")
        crashed = copy(place / "data", folder / "before-closing")  # as after a kill -9 here: the session lives
        owner.close()
        require(other.must({"op": "getAllChildrenNumber", "path": "/home"})[0] == 1, "closing the session left some")
        tree = client.read_tree(server.port)
        other.drop()
        server.kill()
    for kind in KINDS:
        with Server(kind, copy(crashed / "data", folder / f"before-{kind}")) as server, Client(server.port) as asking:
            count = asking.must({"op": "getAllChildrenNumber", "path": "/home"})[0]
            require(count == EPHEMERALS + 1, kind, "finds", count, "before the session was closed")
        shutil.rmtree(folder / f"before-{kind}")
    require_opens(folder, place, tree, f"{EPHEMERALS} ephemerals of a closed session", but=("Unexpected extra paths under session",))
    print(f"  a session with {EPHEMERALS} ephemerals, {len(LONG_NAME) + 12} bytes a path, is closed: gone, and both servers start", flush=True)


def accepted(connection, op):
    err, values = connection.one(op)
    return err == 0 and not (op["op"] == "multi" and values[0][0] == "error")


def too_large(folder):
    """Requests within the limit whose transactions are not; and the largest that are accepted."""
    place = folder / "large"
    with Server("synod", place) as server:
        big = Client(server.port, 600_000, auths=[f"user{i}:pw" for i in range(AUTHS)])
        auth = [(31, "auth", "")]
        big.must(create("/one", "", auth))
        require(len(big.must({"op": "getACL", "path": "/one"})[0]) == AUTHS, "auth does not expand")
        require(not accepted(big, {"op": "multi", "ops": [create(f"/never{i}", "", auth) for i in range(200)]}), "a multi that expands to 5 MB was accepted")
        big.must(create("/expanded", b"x" * (JUTE_MAX - 2000), auth))  # beyond the longest request, within what is stored
        # Multis that expand to around twice jute.maxbuffer, where stored transactions end.
        fits = [accepted(big, {"op": "multi", "ops": [create(f"/m{count}-{i}", "", auth) for i in range(count)]}) for count in range(70, 110, 4)]
        require(fits == sorted(fits, reverse=True) and fits[0] and not fits[-1], "expanding multis accepted:", fits)
        big.must(create("/d", b"x" * (JUTE_MAX - 2000)))
        # The rims: every length up to the longest frame is accepted or refused, and never half-way.
        count = 0
        for less in range(0, 96, 4):
            data = b"y" * (JUTE_MAX - less)
            for op in (create(f"/rim{less}", data), {"op": "setData", "path": "/d", "data": data, "version": -1}, {"op": "multi", "ops": [create(f"/multi{less}", data)]}):
                try:
                    count += accepted(big, op)
                except client.wire.Closed:  # a frame above the limit ends the connection
                    big.drop()
                    big = Client(server.port, 600_000, big.session)
        require(count > 20, "hardly anything near the limit was accepted:", count)
        with Client(server.port) as after:
            after.must(create("/after", "still writing"))
        tree = client.read_tree(server.port)
        require("/never0" not in tree and "/m106-0" not in tree, "a refused transaction left something")
        big.drop()
    require_opens(folder, place, tree, "large transactions")
    print(f"  transactions that outgrow the limit are refused, {count} writes within 100 bytes of it accepted; both servers start", flush=True)


def _quota(limits, stats, *then):
    """A quota with these texts (None: without that node), and a change below it."""
    nodes = [create("/zookeeper/quota/z/zookeeper_" + name, text) for name, text in (("limits", limits), ("stats", stats)) if text is not None]
    return [create("/zookeeper/quota/z"), *nodes, *then, create("/z/below", "12345")]


STATS, LIMITS = "/zookeeper/quota/z/zookeeper_stats", "/zookeeper/quota/z/zookeeper_limits"
SOUND = "count=9,bytes=900"
# (what, operations): quotas as no tool writes them.
ODD_QUOTAS = [
    ("limits that do not parse", _quota("nonsense", SOUND)),
    ("limits without bytes", _quota("count=5", SOUND)),
    ("limits with a word for a number", _quota("count=many,bytes=5", SOUND)),
    ("limits of 3.9", _quota("count=5,bytes=6;byteHardLimit=7;countHardLimit=8", SOUND)),
    ("null limits", [create("/zookeeper/quota/z"), create(LIMITS, None), create(STATS, SOUND), create("/z/below", "1")]),
    ("empty limits and statistics", _quota("", "")),
    ("statistics alone", _quota(None, SOUND)),
    ("limits alone", _quota(SOUND, None)),
    ("garbage in statistics alone", _quota(None, "nonsense")),
    ("null statistics", [create("/zookeeper/quota/z"), create(LIMITS, SOUND), create(STATS, None), create("/z/below", "1")]),
    ("limits set to garbage later", _quota(SOUND, SOUND, {"op": "setData", "path": LIMITS, "data": "x=y,z", "version": -1})),
    ("statistics set to garbage in a multi", _quota(SOUND, SOUND, {"op": "multi", "ops": [{"op": "setData", "path": STATS, "data": "count=1,bytes=", "version": -1}]})),
    ("statistics beyond 64 bits", _quota(SOUND, "count=1,bytes=99999999999999999999")),
    ("statistics deleted", _quota(SOUND, SOUND, {"op": "delete", "path": STATS, "version": -1})),
    ("a quota within a quota", [*_quota(SOUND, SOUND), create("/zookeeper/quota/z/below"), create("/zookeeper/quota/z/below/zookeeper_limits", SOUND),
                                create("/zookeeper/quota/z/below/zookeeper_stats", SOUND), create("/z/below/x", "1")]),
    ("a quota on the quotas", [create("/zookeeper/quota/zookeeper"), create("/zookeeper/quota/zookeeper/zookeeper_limits", SOUND),
                               create("/zookeeper/quota/zookeeper/zookeeper_stats", SOUND), create("/zookeeper/below"), create("/z/below")]),
    ("a quota for a node that is not there", [create("/zookeeper/quota/nowhere"), create("/zookeeper/quota/nowhere/zookeeper_limits", SOUND),
                                              create("/zookeeper/quota/nowhere/zookeeper_stats", SOUND)]),
]


# Java counts these anew at a start, and differently from how it counted them before.
SELF_COUNTING = ("/zookeeper/quota/zookeeper_stats", "/zookeeper/quota/zookeeper/zookeeper_stats")
CLEANING = [{"op": "delete", "path": path, "version": -1} for path in
            ("/z/below/x", "/z/below", "/zookeeper/below", "/zookeeper/quota/z/below/zookeeper_limits", "/zookeeper/quota/z/below/zookeeper_stats",
             "/zookeeper/quota/z/below", LIMITS, STATS, "/zookeeper/quota/z")]


def send(server, ops):
    doing = Client(server.port, 600_000)
    try:
        for op in ops:
            doing.one(op)
    except client.wire.Closed:
        pass
    doing.drop()


def one_poisoned(folder, what, cases):
    """What is wrong after these requests, one case after the other; nothing if both servers start."""
    place = folder / "poison"
    with Server("synod", place) as server:
        for case in cases:
            send(server, [create("/z"), *CLEANING])
            send(server, case)
        with Client(server.port, auths=SUPER) as after:
            after.must(create("/after"))
            after.must({"op": "setData", "path": "/z", "data": "behind the poison", "version": -1})
        tree = client.read_tree(server.port)
    try:
        require_opens(folder, place, tree, what, but=("Missing node for stat",), ignoring=SELF_COUNTING)
    except (Failure, servers.ServerDied) as e:
        return f"after '{what}':\n{e}"
    finally:
        shutil.rmtree(place)
    return None


def poisonous(folder, is_long):
    """Requests that end a Java server, and leave it unable to start again, when it gets them itself; and odd quotas."""
    cases = [case[:2] for case in poison.CASES] + ODD_QUOTAS
    if is_long or one_poisoned(folder, "all of them", [ops for _, ops in cases]):
        wrong = [text for what, ops in cases if (text := one_poisoned(folder, what, [ops]))]
        require(not wrong, f"{len(wrong)} poisoned directories:\n" + "\n".join(wrong))
        require(is_long, "no request alone is poison, but all together are")
    print(f"  {len(cases)} kinds of requests that are poison to Java, or odd quotas: both servers start on what Synod made of them", flush=True)


def run(folder, is_long):
    too_large(folder)
    poisonous(folder, is_long)
    many_ephemerals(folder)

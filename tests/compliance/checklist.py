"""The lines of the checklist (section 9 of what is known of the protocol), and the scenarios that prove them."""

from collections import namedtuple

import faults  # noqa: F401
import joining  # noqa: F401  each declares its scenarios
import membership  # noqa: F401
import scenario
import serving  # noqa: F401
from verifier import RULES

Line = namedtuple("Line", "id what scenarios missing")
JAVAS = {"3.9": ("java-3.9",), "3.8+3.9": ("java", "java-3.9")}  # what 'java' stands for in scenarios of that suffix
ONLY_LONG = ("secure", "rolling", "restarted-followers", "chained")  # longer than a sample may be


def both(*names):
    return tuple(f"{name}-under-{kind}" for name in names for kind in ("java", "synod"))


def with_39(names, kinds=("3.9",)):
    return tuple(f"{name}/{kind}" for name in names for kind in kinds)


def line(number, what, scenarios, missing=()):
    return Line(str(number), what, tuple(scenarios), tuple(missing))


JOINS = (*both("joins", "diff-from-log", "forced-snap"), "truncated-by-java", "truncated-by-synod", "divergent-by-java", "divergent-by-synod")
LINES = [
    line(1, "election codec: the recorded words of Java's servers, and malformed ones", ("election-codec",)),
    line(2, "a server joins a running ensemble that it missed nothing of, with the largest number and with the smallest",
         ("joined-by-synod", "joined-by-synod-first", "joined-by-java", "joined-by-java-first")),
    line(3, "DIFF after kill -9; NEWLEADER and UPTODATE are acknowledged", both("joins")),
    line(4, "DIFF from the transaction log", both("diff-from-log")),
    line(5, "SNAP of a wiped server, and a forced one while clients write", both("joins", "forced-snap")),
    line(6, "TRUNC of a follower of ours: log and newer snapshots", ("truncated-by-java", "truncated-snapshot-by-java")),
    line(7, "TRUNC by our leader", ("truncated-by-synod",)),
    line(8, "a divergent tail where the new epoch has transactions: SNAP by Java's leader, TRUNC and more by ours",
         ("divergent-by-java", "divergent-by-synod")),
    line(9, "one ACK of the other kind decides", both("two-of-three")),
    line(10, "a server that asks who leads is answered by both kinds", both("two-of-three")),
    line(11, "ours is elected, by its number and by its log; trees and digests agree after mixed operations",
         ("operations-under-synod", "operations-under-java", "elected-by-zxid-synod", "elected-by-zxid-java")),
    line(12, "every request through followers of the other kind; sessions are created, closed, expire; watches fire elsewhere",
         both("requests")),
    line(13, "leaders and followers of both kinds are killed under load, nothing acknowledged is lost", both("killed")),
    line(14, "followers restarted under load under our leader, and under Java's",
         (*both("restarted-followers"), "restarted-followers-under-synod/3.9")),
    line(15, "observers of either kind under the other's leader", ("observer-synod", "observer-java", "observer-java-under-synod")),
    line(16, "observer masters: ours behind Java's followers, Java's behind ours, under either's leader",
         tuple(f"observer-master-{kinds}" for kinds in ("synod", "java", "java-under-synod", "synod-under-synod"))),
    line(17, "sessions move between both kinds, and through a change of leaders", both("moves")),
    line(18, "three Java servers become ours, and back, while clients write", ("rolling",)),
    line(19, "3.8.0, 3.9.5 and ours in one ensemble: lines 3 to 14",
         with_39((*JOINS, *both("two-of-three", "operations", "killed")), ("3.9", "3.8+3.9"))),
    line(20, "reconfiguration by either kind, under either: observer, promotion, voters, the leader removed, demotion, refusals", both("reconfig")),
    line(21, "the leader dies between proposing and announcing a change", both("reconfig-crash")),
    line(22, "quorums of groups and weights, weight 0", (*both("groups"), *both("weightless"))),
    line(23, "TLS, SASL and the rolling switch of plain to TLS", ("secure-tls-with-java", "secure-sasl-with-java", "secure-sasl-in-tls",
                                                                  "secure-rolling-switch-with-java")),
    line(24, "two addresses for a server", both("addresses")),
    line(25, "our disk is full, or broken: we leave, the others go on", ("disk-full-under-java", "disk-full-under-synod", "disk-broken-under-java",
                                                                         "disk-broken-under-synod")),
    line(26, "the counter of an epoch is used up", both("rollover")),
    line(27, "partial connectivity: a chain of three", (*both("chained"), "chained-through-synod"),
         ["stars of five (quorum loss, constrained election): with our servers alone, in `synod sim`"]),
    line(28, "garbage on the ports of ours", both("garbage")),
]


def names():
    return list(dict.fromkeys(name for each in LINES for name in each.scenarios))


def lines_of(name):
    return [each.id for each in LINES if name in each.scenarios]


def javas(name):
    """The scenario's own name, and what 'java' is in it."""
    base, _, kind = name.partition("/")
    return base, JAVAS.get(kind, ("java",))


unknown = [name for name in names() if javas(name)[0] not in scenario.ALL]
assert not unknown, f"no scenario is called {unknown}"

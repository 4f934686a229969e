"""A scenario: real servers of both kinds in given places, and what must be so. The checklist names them."""

import contextlib

import places
from clients import Writer, require, wait_until  # noqa: F401  for the scenarios
from ensemble import CLASS_PATHS, Failed
from holes import lacking
from watched import Watched

mixed = places.cases_of("mixed")
UNDER_JAVA, UNDER_SYNOD = {1: "java", 2: "synod", 3: "java"}, {1: "java", 2: "java", 3: "synod"}
BOTH = {"under-java": UNDER_JAVA, "under-synod": UNDER_SYNOD}  # 3 leads, 2 is looked at: the other kind, or Java's under ours
ALL = {}  # name: function(stage), in the order in which they are declared


class Skipped(Exception):
    """Why it cannot be run here."""


class Stage:
    """What a scenario is run with. `java`: the kinds that stand for 'java', in turn; `is_control`: Java's in our places, too."""

    def __init__(self, folder, is_long=False, is_control=False, java=("java",)):
        self.folder, self.is_long, self.is_control, self.java = folder, is_long, is_control, java
        self.verified = []  # what went through relays

    def kinds(self, kinds):
        given, turn = {}, 0
        for sid, kind in kinds.items():
            if kind == "synod" and not self.is_control:
                given[sid] = kind
            else:
                given[sid] = self.java[turn % len(self.java)]
                turn += 1
        for kind in given.values():
            if not CLASS_PATHS.get(kind, "it is ours"):
                raise Skipped("SYNOD_ZOOKEEPER_39 does not name a class path of ZooKeeper 3.9.5")
        return given

    @contextlib.contextmanager
    def ensemble(self, kinds, *more, made=Watched, **options):
        ensemble = made(self.folder / "servers", self.kinds(kinds), *more, **options)
        with ensemble:
            yield ensemble
        self.verified.append(ensemble.watch.words())


def scenario(*names, **places_of):
    """Declares `function(stage, …)` under its name, or once for each of `places_of` ({suffix: arguments})."""
    def declare(function):
        name = names[0] if names else function.__name__.replace("_", "-")
        variants = places_of or {"": ()}
        for suffix, given in variants.items():
            given = given if isinstance(given, tuple) else (given,)
            ALL[f"{name}-{suffix}".rstrip("-")] = lambda stage, given=given: function(stage, *given)
        return function
    return declare


def both(function):
    """Under a Java leader and under ours."""
    return scenario(**BOTH)(function)


def require_brought_up(ensemble, sid, how):
    said = ensemble.brought_up(sid)
    require(said and said[-1] == how, f"server {sid} was brought up by {said}, the last should be {how}")


# Java's followers meet other null pointers when their leader dies. This one is of a COMMIT that 3.8 does not expect.
DIES_OF_COMMIT = 'because "pif" is null'
OF_ANY_BREAK = ("NullPointerException", "Severe unrecoverable")


def settled(ensemble, what):
    """All trees are equal, and nobody complained: but for Java's follower of a Java leader that commits around NEWLEADER. It loses its
    link over that, logs what it has a second time, and says at its next start that digests do not match."""
    nodes = mixed.same_trees(ensemble, what)
    for sid, member in ensemble.members.items():
        if member.is_java and ensemble.java_interleaved(sid):
            continue
        for complaint in (*(each for each in mixed.COMPLAINTS if each not in OF_ANY_BREAK), DIES_OF_COMMIT):
            require(complaint not in member.log,
                    f"{member.kind} server {sid} says: {complaint}\n{member.log[max(0, member.log.find(complaint) - 1000):][:3000]}")
    return nodes


def restarted(ensemble, *sids):
    ensemble.start(*sids)
    ensemble.wait(*sids)


def java_lost_it(ensemble, member):
    """It lacks what was acknowledged. Is that a hole that Java left in its own log (ZOOKEEPER-4712)? Then it is emptied, as an operator would."""
    hole = lacking(member, ensemble.members.values()) if member.is_java else []
    if hole:
        member.kill()
        member.wipe()
        restarted(ensemble, member.sid)
        print(f"    Java had left {len(hole)} transactions out of the log of server {member.sid} (ZOOKEEPER-4712); emptied", flush=True)
    return bool(hole)


@contextlib.contextmanager
def writing(servers, through=None, is_excused=lambda server: False):
    """A client writes all the while, through any of them; what was acknowledged is on each of servers() in the end, after an excuse at the latest."""
    writer = Writer(list(through or servers()))
    writer.start()
    try:
        writer.wait_for_more()
        yield writer
    finally:
        writer.finish()
    if writer.problem:
        raise writer.problem
    for server in servers():
        try:
            writer.require_all_at(server)
        except Failed:
            if not is_excused(server):
                raise
            writer.require_all_at(server)


def told(writer):
    return f"{len(writer.acknowledged)} writes acknowledged, none lost, longest gap {writer.longest_gap:.1f} s"

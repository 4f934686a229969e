"""Who belongs, and how servers know each other: rolling replacement, TLS and SASL, reconfiguration."""

import contextlib
import re
import signal
import time

import places
from client import Client, create
from clients import client_of, membership
from ensemble import four_letters
from named import NamedFleet
from scenario import mixed, require, restarted, scenario, settled, told, wait_until, writing

peers, changes = places.cases_of("peers"), places.cases_of("reconfig")


@scenario()
def rolling(stage):
    """Three of Java's servers become ours one by one, the leader last, on their own directories, and back, while clients write."""
    with stage.ensemble({1: "java", 2: "java", 3: "java"}) as ensemble:
        mixed.started(ensemble, 3)
        with writing(ensemble.members.values) as writer:
            session = Client(ensemble.members[3].port, timeout_ms=20_000)
            session.must(create("/ephemeral", flags=1))
            steps = 0
            for kind in stage.kinds({1: "synod", 2: "java"}).values():
                for sid in sorted(ensemble.members, key=lambda number: ensemble.members[number].mode() == "leader"):
                    session.drop()
                    member = ensemble.members[sid]
                    member.kill()
                    member.kind = kind
                    restarted(ensemble, sid)
                    ensemble.wait()
                    session = Client(member.port, 20_000, session=session.session)
                    error, _ = session.one({"op": "exists", "path": "/ephemeral"})
                    require(error == 0, f"the session lost its node when server {sid} became {kind}")
                    writer.wait_for_more()
                    steps += 1
        session.close()
        settled(ensemble, "after all were replaced, and back")
        return f"{steps} replacements, {told(writer)}, the session kept"


@scenario(**{case.replace("_", "-"): case for case in ("tls_with_java", "sasl_with_java", "sasl_in_tls", "rolling_switch_with_java")})
def secure(stage, case):
    """As tests/peers does it: what is said is encrypted, so that no relay can follow."""
    return getattr(peers, case)(stage.folder)


# ---- reconfiguration --------------------------------------------------------------------------

RECONFIG = {"reconfigEnabled": "true", "skipACL": "yes", "standaloneEnabled": "false"}
BAD_VERSION, NO_QUORUM, BAD_ARGUMENTS = -103, -13, -8
OTHER = {"java": "synod", "synod": "java"}


@contextlib.contextmanager
def reconfig_fleet(stage, leads):
    """Server 3 leads, of this kind; 1 and 4 are of the same, 2 and 5 of the other."""
    kinds = stage.kinds({sid: leads if sid in (1, 3, 4) else OTHER[leads] for sid in range(1, 6)})
    fleet = NamedFleet(stage.folder / "servers", kinds, **RECONFIG)
    with fleet:
        yield fleet
    stage.verified.append(fleet.watch.words())


def begun(fleet):
    """1, 2, 3; 3 leads."""
    fleet.begin(1, 2, 3, first=3)
    require(fleet.leader().sid == 3, f"server {fleet.leader().sid} leads")


@scenario(**{"under-java": "java", "under-synod": "synod"})
def reconfig(stage, leads):
    """An observer is added and promoted, a voter added, a follower, the leader removed, a voter demoted; what must be refused is."""
    with reconfig_fleet(stage, leads) as fleet:
        begun(fleet)
        with writing(fleet.belonging) as writer:
            def step(**what):
                fleet.change(**what)
                writer.go_to(fleet.belonging())
                writer.wait_for_more()
            refused(fleet)
            fleet.launch(4, "observer")
            step(joining={4: "observer"})
            step(joining={4: "participant"})
            fleet.launch(5)
            step(joining={5: "participant"})
            step(leaving=(1,))
            fleet.servers[1].kill()
            led = []
            for _ in range(2):  # the leader leaves, and the next one
                leader = fleet.leader()
                led.append(leader.kind)
                step(leaving=(leader.sid,))
                wait_until(lambda: leader.mode() != "leader", "who was removed does not lead")
                leader.kill()
                if 1 not in fleet.members:
                    changes.fresh(fleet, 1)
                    step(joining={1: "participant"})
            demoted = next(sid for sid in fleet.members if fleet.servers[sid] is not fleet.leader())
            step(joining={demoted: "observer"})
        fleet.restart_all()
        fleet.check()
        return f"leaders removed: {', '.join(led)}; {told(writer)}"


def refused(fleet):
    """By whoever leads, asked through either kind."""
    absent = "server.8=127.0.0.1:1:2:participant;127.0.0.1:3,server.9=127.0.0.1:4:5:participant;127.0.0.1:6"
    for sid in (1, 2):
        with client_of(fleet.servers[sid]) as client:
            said = [changes.code_of(lambda request=request: client.reconfig(*request))
                    for request in ((None, "1", None, 5), (None, None, f"{fleet.servers[3].line},{absent}"), ("abc", None, None))]
        require(said == [BAD_VERSION, NO_QUORUM, BAD_ARGUMENTS], f"through server {sid}: {said}")
    fleet.check()


@scenario(**{"under-java": "java", "under-synod": "synod"})
def reconfig_crash(stage, leads):
    """The leader dies when its followers have a change that is not announced yet: one configuration, everywhere, and nothing is lost."""
    with reconfig_fleet(stage, leads) as fleet:
        begun(fleet)
        fleet.launch(4)
        with client_of(fleet.servers[3]) as client:
            client.ensure_path("/before")
            followers = [fleet.servers[sid] for sid in (1, 2, 4)]
            for server in followers:
                server.signal(signal.SIGSTOP)
            client.reconfig_async(fleet.servers[4].line, None, None, -1)  # what it sends waits in their sockets
            wait_until(lambda: re.search(r"Outstanding: [1-9]", four_letters(fleet.servers[3].port, b"srvr")), "the change is under way")
            time.sleep(0.3)  # it has left for the followers
            fleet.servers[3].kill()
            for server in followers:
                server.signal(signal.SIGCONT)
        said = {}

        def is_decided():
            said.update({sid: membership(fleet.servers[sid]) for sid in (1, 2)})
            return all(said.values()) and said[1] == said[2]
        wait_until(is_decided, "the two that are left agree", 60)
        fleet.members = {sid: "participant" for sid in said[1][0]}
        fleet.servers[3].start()
        fleet.check()
        with client_of(*fleet.belonging()) as client:
            client.create("/after")
        for server in fleet.belonging():
            with client_of(server) as client:
                client.sync("/")
                require(client.exists("/before") and client.exists("/after"), f"server {server.sid} lost a write")
        return f"the change was {'kept' if 4 in fleet.members else 'dropped'} by all"

"""What servers ask of each other before they talk, seen from outside: with our servers alone, and with Java's."""

import contextlib
import random
import socket
import threading
import time

from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionLoss, OperationTimeoutError, SessionExpiredError

import certificates
from ensemble import Ensemble, Failed
from holes import is_javas_loss

SYNODS = {1: "synod", 2: "synod", 3: "synod"}
MIXTURES = ({1: "java", 2: "java", 3: "synod"}, {1: "synod", 2: "java", 3: "java"})  # 3 leads
CONFIG = {"tickTime": 500, "initLimit": 20, "syncLimit": 8}
PATIENCE = 60  # seconds; nothing here depends on how soon something happens

PLAIN = {"sslQuorum": "false", "portUnification": "false"}
BOTH = {"sslQuorum": "false", "portUnification": "true"}
TLS_FIRST = {"sslQuorum": "true", "portUnification": "true"}
TLS_ONLY = {"sslQuorum": "true", "portUnification": "false"}

JAAS = """QuorumServer {
  org.apache.zookeeper.server.auth.DigestLoginModule required user_test="%s";
};
QuorumLearner {
  org.apache.zookeeper.server.auth.DigestLoginModule required username="test" password="%s";
};
"""
SASL = {"quorum.auth.enableSasl": "true", "quorum.auth.learnerRequireSasl": "true", "quorum.auth.serverRequireSasl": "true"}


def require(is_so, what):
    if not is_so:
        raise Failed(what)


def wait_until(holds, what):
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise Failed(f"after {PATIENCE} s still not so: {what}")
        time.sleep(0.05)


@contextlib.contextmanager
def client_of(*members):
    client = KazooClient(",".join(f"127.0.0.1:{member.port}" for member in members), timeout=10.0)
    client.start(PATIENCE)
    try:
        yield client
    finally:
        client.stop()
        client.close()


def tls_keys(files, keys="server.p12", trust="trust.p12"):
    return {"ssl.quorum.keyStore.location": files / keys, "ssl.quorum.keyStore.password": "secret",
            "ssl.quorum.trustStore.location": files / trust, "ssl.quorum.trustStore.password": "secret"}


def jaas(folder, password="testpw"):
    file = folder / f"jaas-{password}"
    file.write_text(JAAS % (password, password))
    return {"java.security.auth.login.config": file}


def works_through_all(ensemble, count=50):
    """Writes through each member, seen through every other."""
    members = list(ensemble.members.values())
    for member in members:
        with client_of(member) as client:
            client.ensure_path("/w")
            for i in range(count):
                client.create(f"/w/{member.sid}-{i}-", b"x", sequence=True)
    for member in members:
        with client_of(member) as client:
            client.sync("/w")
            found = len(client.get_children("/w"))
            require(found == count * len(members), f"server {member.sid} has {found} of {count * len(members)} nodes")
    return count * len(members)


def forms(folder, kinds, config, properties=None):
    with Ensemble(folder, kinds, {**CONFIG, **config}, properties) as ensemble:
        alike = [sid for sid, kind in kinds.items() if kind == kinds[3]]
        first = alike if len(alike) == 2 else list(kinds)  # two alike are up first: one of them leads
        ensemble.start(*first)
        ensemble.wait(*first)
        if rest := [sid for sid in kinds if sid not in first]:
            ensemble.start(*rest)
        ensemble.wait()
        leader = ensemble.leader()
        return f"{leader.kind} leads, {works_through_all(ensemble)} writes"


def tls(folder):
    """Three of ours, PKCS12 and PEM."""
    files = certificates.make(folder / "tls")
    pem = forms(folder / "pem", SYNODS, {**TLS_ONLY, **tls_keys(files, "server-keys.pem", "ca.pem")})
    p12 = forms(folder / "p12", SYNODS, {**TLS_ONLY, **tls_keys(files, "server.p12", "ca.pem")})
    return f"PEM: {pem}; PKCS12: {p12}"


def tls_with_java(folder):
    files = certificates.make(folder / "tls", with_java=True)
    return "; ".join(forms(folder / str(i), kinds, {**TLS_ONLY, **tls_keys(files)}) for i, kinds in enumerate(MIXTURES))


def threads(folder):
    """The core on one thread of four, clients on all of them."""
    return forms(folder, SYNODS, {"synod.connectionThreads": 4})


def sasl(folder):
    return forms(folder, SYNODS, SASL, jaas(folder))


def sasl_with_java(folder):
    return "; ".join(forms(folder / str(i), kinds, SASL, jaas(folder)) for i, kinds in enumerate(MIXTURES))


def sasl_in_tls(folder):
    files = certificates.make(folder / "tls", with_java=True)
    return forms(folder, MIXTURES[0], {**SASL, **TLS_ONLY, **tls_keys(files)}, jaas(folder))


class Writer:
    """Writes one node after the other until it is stopped, whatever happens, and knows which were acknowledged."""

    def __init__(self, members):
        self.client = KazooClient(",".join(f"127.0.0.1:{member.port}" for member in members), timeout=10.0)
        self.acknowledged, self.is_stopping = [], False
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.client.start(PATIENCE)
        self.client.ensure_path("/a")
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_stopping = True
        self.thread.join()
        self.client.stop()
        self.client.close()

    def run(self):
        number = 0
        while not self.is_stopping:
            number += 1
            try:
                self.client.create(f"/a/{number}", b"x")
                self.acknowledged.append(str(number))
            except (ConnectionLoss, SessionExpiredError, OperationTimeoutError):
                time.sleep(0.1)

    def lost(self, member):
        with client_of(member) as client:
            client.sync("/a")
            return set(self.acknowledged) - set(client.get_children("/a"))


def rolling_switch(folder, kinds=SYNODS):
    """From plain to TLS, one server and one step at a time, under writes."""
    files = certificates.make(folder / "tls", with_java="java" in kinds.values())
    keys = tls_keys(files, "server.p12", "trust.p12" if "java" in kinds.values() else "ca.pem")
    with Ensemble(folder, kinds, {**CONFIG, **PLAIN}) as ensemble:
        ensemble.start()
        ensemble.wait()
        lines = [member.line for member in ensemble.members.values()]
        with Writer(ensemble.members.values()) as writer:
            for step in (BOTH, TLS_FIRST, TLS_ONLY):
                for member in ensemble.members.values():
                    before = len(writer.acknowledged)
                    member.kill()
                    member.start(lines, {**CONFIG, **step, **keys})
                    ensemble.wait()
                    wait_until(lambda: len(writer.acknowledged) > before, "a write")
        for member in ensemble.members.values():
            lost = writer.lost(member)
            require(not lost or is_javas_loss(member, ensemble.members.values(), lost), f"server {member.sid} lost {len(lost)} acknowledged writes")
        return f"nine restarts, {len(writer.acknowledged)} acknowledged writes, none lost"


def rolling_switch_with_java(folder):
    return rolling_switch(folder, MIXTURES[0])


def stays_out(ensemble, lines, config, properties, why):
    """Server 3 with these; for some ticks it does not get in, and the others write as before."""
    third, others = ensemble.members[3], [ensemble.members[1], ensemble.members[2]]
    third.start(lines, {**CONFIG, **config}, properties)
    wait_until(lambda: why in third.log or any(why in other.log for other in others), f"somebody says: {why}")
    with client_of(*others) as client:
        for _ in range(100):
            client.create("/x-", sequence=True)
    require(third.mode() == "", f"server 3 serves as {third.mode()}")
    third.kill()


def outsiders(folder, engine="zab"):
    """A server with the wrong certificate, none, or the wrong password."""
    files = certificates.make(folder / "tls")
    good = {"consensus": engine, **SASL, **TLS_ONLY, **tls_keys(files, "server.p12", "ca.pem")}
    with Ensemble(folder, SYNODS, {**CONFIG, **good}, jaas(folder)) as ensemble:
        ensemble.start(1, 2)
        ensemble.wait(1, 2)
        lines = [member.line for member in ensemble.members.values()]
        stays_out(ensemble, lines, {**good, **tls_keys(files, "stranger.p12", "ca.pem")}, jaas(folder), "certificate")
        stays_out(ensemble, lines, {"consensus": engine, **SASL, **PLAIN}, jaas(folder), "does not speak TLS")
        stays_out(ensemble, lines, good, jaas(folder, "guess"), "does not accept our name and password")
        ensemble.start(3)
        ensemble.wait()
        return f"kept out three times, then let in; {works_through_all(ensemble)} writes"


def engines(folder):
    """What the others show of Zab's links holds for those of the other engines."""
    return "; ".join(f"{engine}: {outsiders(folder / engine, engine)}" for engine in ("raft", "omnipaxos"))


def strangers(folder, seconds=10):
    """Garbage, silence and floods on all six ports, while a client writes."""
    with Ensemble(folder, SYNODS, CONFIG) as ensemble:
        ensemble.start()
        ensemble.wait()
        leader = ensemble.leader()
        ports = [port for member in ensemble.members.values() for port in (member.quorum_port, member.election_port)]
        dice, silent, sent = random.Random(7), [], 0
        with Writer(ensemble.members.values()) as writer:
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                try:
                    stranger = socket.create_connection(("127.0.0.1", dice.choice(ports)), timeout=5)
                    stranger.sendall(garbage(dice))
                    sent += 1
                except OSError:
                    continue
                silent.append(stranger)
                if len(silent) > 300:
                    silent.pop(dice.randrange(len(silent))).close()
            for stranger in silent:
                stranger.close()
        require(ensemble.leader().sid == leader.sid, "the leader changed")
        for member in ensemble.members.values():
            require(not writer.lost(member), f"server {member.sid} lost acknowledged writes")
            require(member.process.poll() is None, f"server {member.sid} is gone")
        return f"{sent} strangers, the leader stayed, {len(writer.acknowledged)} acknowledged writes, none lost"


def garbage(dice):
    """Random bytes, or something that begins well."""
    rest = dice.randbytes(dice.choice((0, 1, 100, 5000)))
    beginnings = (b"", b"\x16\x03\x01", (-65536).to_bytes(8, "big", signed=True) + (9).to_bytes(8, "big"),
                  b"\x00\x00\x00\x0b" + bytes(12), b"\x7f\xff\xff\xff", bytes.fromhex("5f2435013501edcc"))
    return dice.choice(beginnings) + rest


ALL = {case.__name__: case for case in (threads, tls, sasl, outsiders, engines, rolling_switch, strangers, tls_with_java, sasl_with_java,
                                        sasl_in_tls, rolling_switch_with_java)}

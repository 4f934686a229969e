"""Members of an ensemble, Java's and ours: each a process with its own directory, on loopback."""

import contextlib
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
SYNOD = os.environ.get("SYNOD_BIN", str(HERE.parent.parent / "build" / "release" / "synod"))
# Java's TLS needs Netty's codecs, which Debian's zookeeper.jar forgets to name.
JARS = "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar:/usr/share/java/netty-codec.jar"
# Kinds of Java's server, and their class paths. Debian has 3.8.0; who has a 3.9 says where.
CLASS_PATHS = {"java": JARS, "java-3.9": os.environ.get("SYNOD_ZOOKEEPER_39", "")}
START_SECONDS = 60

sys.path.append(str(HERE.parent / "differential"))
sys.path.append(str(HERE.parent / "datadir"))

ZOO_CFG = {"tickTime": 1000, "initLimit": 10, "syncLimit": 5, "minSessionTimeout": 400, "maxSessionTimeout": 3_600_000,
           "maxClientCnxns": 0, "admin.enableServer": "false", "4lw.commands.whitelist": "*"}
# Bare Java properties. super:secret may read everything.
# Quick to start, and talkative: tests read Java's log.
JAVA_FOR_TESTS = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
                  "-Dorg.slf4j.simpleLogger.showDateTime=true")
# As its own zkServer.sh starts it.
JAVA_AS_INSTALLED = ("-Xmx1000m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
PROPERTIES = {"zookeeper.DigestAuthenticationProvider.superDigest": "super:lK75jTNcA+U9vtVEw5vB51mj/w4="}


class Failed(Exception):
    """The test's verdict, or a member that does not run."""


given_ports = set()


def free_ports(count):
    """Below the range that outgoing connections use: who dials a server that is down, or no server, would in time get its port as
    his own, and connect to himself. None is given twice."""
    found = []
    while len(found) < count:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            if port not in given_ports:
                given_ports.add(port)
                found.append(port)
    return found


def four_letters(port, word):
    with socket.create_connection(("127.0.0.1", port), timeout=2) as s:
        s.settimeout(5)
        s.sendall(word)
        answer = b""
        while chunk := s.recv(65536):
            answer += chunk
        return answer.decode()


class Member:
    def __init__(self, sid, kind, folder, role="participant", java=JAVA_FOR_TESTS):
        self.sid, self.kind, self.role, self.java = sid, kind, role, java
        self.folder = pathlib.Path(folder) / f"{sid}-{kind}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.quorum_port, self.election_port, self.port = free_ports(3)
        self.process, self.was_started = None, False
        self.environment = {}  # besides ours

    @property
    def is_java(self):
        return self.kind in CLASS_PATHS

    @property
    def line(self):
        return self.line_at(self.quorum_port)

    def line_at(self, quorum_port):
        return f"server.{self.sid}=127.0.0.1:{quorum_port}:{self.election_port}:{self.role}"

    @property
    def log(self):
        return (self.folder / "log").read_text(errors="replace") if (self.folder / "log").exists() else ""

    def start(self, lines, config, properties=None):
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        (data / "myid").write_text(str(self.sid))
        if not self.was_started:
            (data / "initialize").touch()  # the operator's word that this directory was never anything else
        self.was_started = True
        keys = {**ZOO_CFG, **config, "dataDir": data, "clientPort": self.port, "clientPortAddress": "127.0.0.1"}
        if self.role == "observer":
            keys["peerType"] = "observer"
        cfg = self.folder / "zoo.cfg"
        cfg.write_text("".join(f"{key}={value}\n" for key, value in keys.items()) + "\n".join(lines) + "\n")
        flags = [f"-D{key}={value}" for key, value in {**PROPERTIES, **(properties or {})}.items()]
        if self.is_java:
            command = ["java", *self.java, *flags, "-cp", CLASS_PATHS[self.kind], "org.apache.zookeeper.server.quorum.QuorumPeerMain", str(cfg)]
        else:
            command = [SYNOD, "serve", *flags, str(cfg)]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                                            env={**os.environ, **self.environment})

    def mode(self):
        """leader, follower, observer; '' while it does not serve."""
        try:
            answer = four_letters(self.port, b"srvr")
        except OSError:
            return ""
        return next((line[6:].strip() for line in answer.splitlines() if line.startswith("Mode:")), "")

    def wait_for_election_port(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                return socket.create_connection(("127.0.0.1", self.election_port), timeout=2).close()
            except OSError:
                time.sleep(0.05)
        raise Failed(f"server {self.sid} does not open its election port\n{self.log[-2000:]}")

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
        self.process = None

    def wipe(self):
        shutil.rmtree(self.folder / "data", ignore_errors=True)


class Ensemble:
    """kinds: {sid: 'synod' | one of CLASS_PATHS}; `java`: what its command line has before the class."""

    def __init__(self, folder, kinds, config=None, properties=None, observers=(), java=JAVA_FOR_TESTS):
        self.config, self.properties = config or {}, properties or {}
        self.members = {sid: Member(sid, kind, folder, "observer" if sid in observers else "participant", java) for sid, kind in kinds.items()}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for member in self.members.values():
            member.kill()

    def lines_for(self, sid):
        """What this one's file says of the members."""
        return [member.line for member in self.members.values()]

    def start(self, *sids):
        for sid in sids or self.members:
            self.members[sid].start(self.lines_for(sid), self.config, self.properties)

    def wait(self, *sids, seconds=START_SECONDS):
        """Until these (all) serve."""
        deadline = time.monotonic() + seconds
        waiting = list(sids or self.members)
        while waiting:
            member = self.members[waiting[0]]
            if member.mode():
                waiting.pop(0)
                continue
            if member.process.poll() is not None:
                raise Failed(f"{member.kind} server {member.sid} ended with {member.process.returncode}\n{member.log[-3000:]}")
            if time.monotonic() > deadline:
                raise Failed(f"{member.kind} server {member.sid} does not serve after {seconds} s\n{member.log[-3000:]}")
            time.sleep(0.02)

    def leader(self, seconds=START_SECONDS):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for member in self.members.values():
                if member.process and member.mode() == "leader":
                    return member
            time.sleep(0.02)
        raise Failed(f"no leader after {seconds} s")

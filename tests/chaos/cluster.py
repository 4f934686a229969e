"""Three servers, each a process with its own data directory and address."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

from network import die_with_parent

HERE = pathlib.Path(__file__).resolve().parent
SYNOD = os.environ.get("SYNOD_BIN", str(HERE.parent.parent / "build" / "release" / "synod"))
JARS = "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar"
JAVA = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
        "-Dorg.slf4j.simpleLogger.showDateTime=true", "-Dzookeeper.snapCount=4000", "-Dzookeeper.preAllocSize=64",
        "-Dzookeeper.admin.enableServer=false", "-cp", JARS, "org.apache.zookeeper.server.quorum.QuorumPeerMain"]
# A dead leader is missed after three seconds; snapshots and logs are small, so that a short run has several.
CONFIG = {"tickTime": 500, "initLimit": 20, "syncLimit": 6, "minSessionTimeout": 1000, "maxSessionTimeout": 20000, "maxClientCnxns": 0,
          "admin.enableServer": "false", "4lw.commands.whitelist": "*", "snapCount": 4000, "preAllocSize": 64}
CLIENT_PORT, START_SECONDS, DISK_MB = 2181, 60, 160
COMPLAINTS = ("digest differs", "Digests are not matching", "but we are expecting request")
OUR_COMPLAINTS = ("carry a tree digest",)  # while it replays over a snapshot: normal if the snapshot is a Java leader's fuzzy one
BROKEN_DISK = 11  # how Synod ends when its log cannot be written


class ServerDied(Exception):
    """A server ended although nobody broke it."""


def four_letters(host, word, seconds=1.0):
    with socket.create_connection((host, CLIENT_PORT), timeout=seconds) as s:
        s.settimeout(seconds)
        s.sendall(word)
        answer = b""
        while chunk := s.recv(65536):
            answer += chunk
        return answer.decode()


class Server:
    def __init__(self, sid, kind, folder, network, has_own_disk, engine):
        self.sid, self.kind, self.network, self.engine = sid, kind, network, engine
        self.folder = pathlib.Path(folder) / f"server{sid}"
        self.data = self.folder / "data"
        self.data.mkdir(parents=True)
        if has_own_disk:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "none", str(self.data)], check=True)
        (self.data / "myid").write_text(f"{sid}\n")
        self.process, self.is_paused, self.may_end = None, False, False
        self.ends = []  # exit statuses of its own accord

    @property
    def host(self):
        return self.network.hosts[self.sid]

    @property
    def log(self):
        return self.folder / "log"

    def start(self, environment=None):
        hosts = self.network.hosts
        lines = {**CONFIG, "dataDir": self.data, "clientPort": CLIENT_PORT, "clientPortAddress": self.host,
                 **{f"server.{sid}": f"{host}:2888:3888" for sid, host in hosts.items()}}
        if self.kind == "synod":
            lines["consensus"] = self.engine
        cfg = self.folder / "zoo.cfg"
        cfg.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
        command = [*JAVA, str(cfg)] if self.kind == "java" else [SYNOD, "serve", str(cfg)]
        self.may_end, self.is_paused = environment is not None, False
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.network.command(self.sid, *command), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=self.folder, env={**os.environ, **(environment or {})}, preexec_fn=die_with_parent)

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        if self.is_running():
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self.process, self.is_paused = None, False

    def end(self):
        """Killed unless it has ended by itself, which is noted."""
        self.check()
        self.kill()

    def wipe(self):
        shutil.rmtree(self.data / "version-2", ignore_errors=True)

    def pause(self):
        if self.is_running():
            self.process.send_signal(signal.SIGSTOP)
            self.is_paused = True

    def resume(self):
        if self.is_paused and self.is_running():
            self.process.send_signal(signal.SIGCONT)
        self.is_paused = False

    def check(self):
        """It has not ended, unless it was given reason to; then how it did is noted."""
        if self.process is None or self.process.poll() is None:
            return
        status, self.process = self.process.returncode, None
        self.ends.append(status)
        if not self.may_end or (self.kind == "synod" and status != BROKEN_DISK):
            raise ServerDied(f"server {self.sid} ended by itself with {status}\n{self.tail()}")

    def mode(self):
        """leader, follower; '' while it does not serve."""
        if not self.is_running() or self.is_paused:
            return ""
        try:
            answer = four_letters(self.host, b"srvr")
        except OSError:
            return ""
        return next((line[6:].strip() for line in answer.splitlines() if line.startswith("Mode:")), "")

    def tail(self):
        return self.log.read_bytes()[-3000:].decode("utf-8", "replace")

    def fill_disk(self):
        with open(self.data / "filler", "wb") as filler:
            try:
                while True:
                    filler.write(bytes(1 << 20))
                    filler.flush()
            except OSError:
                pass

    def free_disk(self):
        (self.data / "filler").unlink(missing_ok=True)


class Cluster:
    """`kinds`: synod or java, by the server's number; `engine`: how Synod's servers agree."""

    def __init__(self, kinds, folder, network, has_own_disk, engine):
        self.network, self.has_java = network, "java" in kinds.values()
        self.servers = {sid: Server(sid, kinds[sid], folder, network, has_own_disk, engine) for sid in network.hosts}

    def start(self):
        for server in self.servers.values():
            server.start()
        return self.wait()

    def wait(self, seconds=START_SECONDS):
        """Until all serve, one of them as the leader; how long that took."""
        began = time.monotonic()
        while time.monotonic() < began + seconds:
            self.check()
            modes = [server.mode() for server in self.servers.values()]
            if all(modes) and modes.count("leader") == 1:
                return time.monotonic() - began
            time.sleep(0.1)
        modes = {sid: server.mode() or "not serving" for sid, server in self.servers.items()}
        raise ServerDied(f"not all serve after {seconds} s: {modes}\n" + "\n".join(f"-- {s.sid}\n{s.tail()}" for s in self.servers.values()))

    def check(self):
        for server in self.servers.values():
            server.check()

    def leader(self):
        return next((server for server in self.servers.values() if server.mode() == "leader"), None)

    def heal(self):
        """Whatever was done to it is undone; who is down is started."""
        self.network.heal()
        for server in self.servers.values():
            server.resume()
            server.check()
            server.free_disk()
            if server.process is None:
                server.start()

    def complaints(self):
        """What servers say of each other's transactions."""
        words = COMPLAINTS if self.has_java else COMPLAINTS + OUR_COMPLAINTS
        return [f"server {server.sid}: {line.strip()[:300]}" for server in self.servers.values()
                for line in server.log.read_text(errors="replace").splitlines() if any(complaint in line for complaint in words)]

    def stop(self):
        for server in self.servers.values():
            server.kill()

    def keep_data(self):
        """The disks go with the test; copies of them stay."""
        for server in self.servers.values():
            shutil.copytree(server.data, server.folder / "kept", dirs_exist_ok=True, ignore=shutil.ignore_patterns("filler"))

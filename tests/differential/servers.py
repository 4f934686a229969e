"""The two servers side by side: configuration, start, stop, restart on the same directory."""

import os
import pathlib
import shutil
import socket
import subprocess
import time

import wire

HERE = pathlib.Path(__file__).resolve().parent
SYNOD = os.environ.get("SYNOD_BIN", str(HERE.parent.parent / "build" / "release" / "synod"))
JARS = "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar"
START_SECONDS = 30

BASE_CONFIG = {
    "tickTime": 2000, "minSessionTimeout": 400, "maxSessionTimeout": 3_600_000, "maxClientCnxns": 0, "forceSync": "no",
    "admin.enableServer": "false", "4lw.commands.whitelist": "*",
    # super:secret
    "DigestAuthenticationProvider.superDigest": "super:lK75jTNcA+U9vtVEw5vB51mj/w4=",
}
# Bare Java properties: the reaper sleeps except in the phase that tests it.
BASE_PROPERTIES = {"znode.container.checkIntervalMs": 1_000_000_000}


class ServerDied(Exception):
    """A server is not running although the test did not stop it."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """One server process with its own directory; `kind` is 'java' or 'synod'."""

    def __init__(self, kind, folder):
        self.kind, self.folder = kind, pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.process, self.port = None, None

    def start(self, config, properties):
        self.port = free_port()
        lines = {**BASE_CONFIG, **config, "dataDir": self.folder / "data", "clientPort": self.port, "clientPortAddress": "127.0.0.1"}
        (self.folder / "data").mkdir(exist_ok=True)
        cfg = self.folder / "zoo.cfg"
        cfg.write_text("".join(f"{k}={v}\n" for k, v in lines.items()))
        flags = [f"-D{k}={v}" for k, v in {**BASE_PROPERTIES, **properties}.items()]
        if self.kind == "java":
            command = ["java", "-Xmx512m", "-XX:+UseSerialGC", *flags, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", JARS,
                       "org.apache.zookeeper.server.ZooKeeperServerMain", str(cfg)]
        else:
            command = [SYNOD, "serve", *flags, str(cfg)]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder)

    def wait_ready(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self.check()
            try:
                if b"Mode:" in four_letters(self.port, b"srvr"):
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise ServerDied(f"{self.kind} does not serve after {START_SECONDS} s\n{self.tail()}")

    def check(self):
        if self.process.poll() is not None:
            raise ServerDied(f"{self.kind} ended with {self.process.returncode}\n{self.tail()}")

    def tail(self, size=3000):
        return (self.folder / "log").read_bytes()[-size:].decode("utf-8", "replace")

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def wipe(self):
        shutil.rmtree(self.folder / "data", ignore_errors=True)


def four_letters(port, word):
    with socket.create_connection(("127.0.0.1", port), timeout=2) as s:
        s.settimeout(5)
        s.sendall(word)
        answer = b""
        while chunk := s.recv(65536):
            answer += chunk
        return answer


class Side:
    """What differs by server: its ids, its zxids, its clock. Everything else is compared."""

    def __init__(self, name, server, flavour):
        self.name, self.server = name, server
        self.flavour = flavour          # "3.8": Debian's Java server; "3.9.5": the target
        self.forget()

    def forget(self):
        """A fresh data directory: nothing known."""
        self.zxid = 0                   # the last zxid this server must have used
        self.position_of = {0: 0}       # its zxid -> position in the common history
        self.zxid_at = {0: 0}           # and back
        self.time_of = {0: 0}           # position -> the time this server gave that transaction
        self.ordinal_of = {0: 0}        # its session id -> ordinal of the session
        self.sessions = {0: (0, b"\0" * 16)}  # ordinal -> (id, password)
        self.connections = {}           # slot -> wire.Connection

    def raw_zxid(self, position):
        """A zxid for a request; offsets past the history (position as [position, plus]) are passed on."""
        position, plus = position if isinstance(position, list) else (position, 0)
        while position not in self.zxid_at and position > 0:
            position -= 1
        return self.zxid_at.get(position, position) + plus

    def advance(self, by, position):
        self.zxid += by
        if by:
            self.position_of[self.zxid] = position
            self.zxid_at[position] = self.zxid

    def drop_connections(self):
        for connection in self.connections.values():
            connection.close()
        self.connections = {}

"""The servers that are compared: started with their defaults, stopped, timed to their first reply."""

import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SYNOD = pathlib.Path(os.environ.get("SYNOD_BIN", ROOT / "build/release/synod"))
JARS = "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar"
START_SECONDS = 180

sys.path.append(str(ROOT / "tests" / "mixed"))
import ensemble  # noqa: E402  (members of an ensemble, for three servers at once)

# Only what has no default or would disturb the other servers on the machine. forceSync stays on.
ZOO_CFG = {"tickTime": 2000, "maxClientCnxns": 0, "admin.enableServer": "false", "4lw.commands.whitelist": "srvr,mntr"}


class Failed(Exception):
    """A server does not start, or has ended by itself."""


def compiled(name, work):
    """A tool of this folder, built anew where its source has changed."""
    source, binary = HERE / f"{name}.cc", work / name
    if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["g++", "-std=c++23", "-O2", f"-I{ROOT / 'src'}", str(source), "-o", str(binary)], check=True)
    return binary


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """One process on a directory of its own. `protocol` is what load speaks to it."""

    name, protocol = "", ""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder) / "servers" / self.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.process, self.port, self.began = None, None, None

    def command(self):
        raise NotImplementedError

    def start(self):
        self.port = free_port()
        command = self.command()
        with open(self.folder / "log", "ab") as log:
            self.began = time.monotonic()
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder)
        return self

    def wait_ready(self):
        """Seconds from the start of the process to its first answer."""
        patience = 0.2  # Java forgets a client that comes in its first moments, without closing
        while time.monotonic() - self.began < START_SECONDS:
            if self.process.poll() is not None:
                break
            try:
                if self.answers(patience):
                    return time.monotonic() - self.began
            except TimeoutError:
                patience *= 1.5
            except OSError:
                pass
            time.sleep(0.001)
        raise Failed(f"{self.name} does not serve\n{(self.folder / 'log').read_bytes()[-3000:].decode()}")

    def answers(self, patience):
        with socket.create_connection(("127.0.0.1", self.port), timeout=patience):
            return True

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def wipe(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def status(self, key):
        """A number of /proc/<pid>/status, in bytes."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
        raise KeyError(key)

    def resident(self):
        return self.status("VmRSS")


class ZooKeeperLike(Server):
    protocol = "zookeeper"
    first_path = "/zookeeper"  # what wait_ready asks for

    def config(self):
        (self.folder / "data").mkdir(exist_ok=True)
        lines = {**ZOO_CFG, "dataDir": self.folder / "data", "clientPort": self.port, "clientPortAddress": "127.0.0.1"}
        file = self.folder / "zoo.cfg"
        file.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
        return str(file)

    def answers(self, patience):
        """A session and a getData. Raises OSError while the port or the answer is not there."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=patience) as s:
            connect = struct.pack(">iqiqi16s?", 0, 0, 30000, 0, 16, b"\0" * 16, False)
            path = self.first_path.encode()
            get = struct.pack(">iii", 1, 4, len(path)) + path + b"\0"
            s.sendall(struct.pack(">i", len(connect)) + connect + struct.pack(">i", len(get)) + get)
            receive(s)
            answer = receive(s)
            if struct.unpack(">i", answer[12:16])[0] != 0:
                raise Failed(f"{self.name} answered getData {self.first_path} with an error")
            s.sendall(struct.pack(">iii", 8, 2, -11))
            return True

    def snapshots(self):
        return sorted((self.folder / "data/version-2").glob("snapshot.*"), key=lambda file: int(file.name.split(".")[1], 16))


def receive(s):
    head = b""
    while len(head) < 4:
        if not (more := s.recv(4 - len(head))):
            raise OSError("closed")
        head += more
    size, body = struct.unpack(">i", head)[0], b""
    while len(body) < size:
        if not (more := s.recv(size - len(body))):
            raise OSError("closed")
        body += more
    return body


class ZooKeeper(ZooKeeperLike):
    """Debian's Java server, with the heap of its own zkServer.sh unless told otherwise."""

    name = "zookeeper"
    heap = "1000m"
    flags = ()

    def command(self):
        return ["java", f"-Xmx{self.heap}", *self.flags, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", JARS,
                "org.apache.zookeeper.server.ZooKeeperServerMain", self.config()]

    def collect_garbage(self):
        """A full collection; returns the live heap in bytes (what the class histogram counts)."""
        jcmd = ["jcmd", str(self.process.pid)]
        subprocess.run([*jcmd, "GC.run"], check=True, stdout=subprocess.DEVNULL)
        histogram = subprocess.run([*jcmd, "GC.class_histogram"], check=True, capture_output=True, text=True).stdout
        return int(histogram.strip().splitlines()[-1].split()[2])


class Synod(ZooKeeperLike):
    name = "synod"

    def command(self):
        return [str(SYNOD), "serve", self.config()]


class Redis(Server):
    name, protocol = "redis", "resp"

    def command(self):
        return ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", "",
                "--appendonly", "yes", "--appendfsync", "always", "--daemonize", "no"]


class Echo(Server):
    name, protocol = "echo", "echo"
    binary = None

    def start(self):
        self.began = time.monotonic()
        self.process = subprocess.Popen([str(self.binary), str(self.folder / "log")], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, cwd=self.folder)
        self.port = int(self.process.stdout.readline())
        return self


ENGINES = ("zab", "raft", "omnipaxos")


def three(folder, kind, config):
    """An ensemble of three: of Java's servers, or of Synod's by an engine."""
    if kind in ENGINES:
        return ensemble.Ensemble(folder, {sid: "synod" for sid in (1, 2, 3)}, {**config, "consensus": kind})
    return ensemble.Ensemble(folder, {sid: kind for sid in (1, 2, 3)}, config, java=ensemble.JAVA_AS_INSTALLED)


class Three:
    """An ensemble of three as if it were one server: ports and process ids are lists, the load is dealt to all."""

    protocol, kind = "zookeeper", ""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder) / "servers" / self.name
        self.members = None

    def start(self):
        # tickTime and limits are those of ZooKeeper's sample configuration; forceSync stays on.
        self.members = three(self.folder, self.kind, {"tickTime": 2000, "initLimit": 10, "syncLimit": 5})
        self.members.start()
        return self

    def wait_ready(self):
        self.members.wait()

    @property
    def port(self):
        return ",".join(str(member.port) for member in self.members.members.values())

    @property
    def process(self):
        return self  # for its pid

    @property
    def pid(self):
        return ",".join(str(member.process.pid) for member in self.members.members.values())

    def stop(self):
        if self.members:
            self.members.__exit__()

    def wipe(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class ThreeZooKeepers(Three):
    name, kind = "zookeeper3", "java"


class ThreeSynods(Three):
    name, kind = "synod3", "zab"


class ThreeOnRaft(Three):
    name, kind = "raft3", "raft"


class ThreeOnOmniPaxos(Three):
    name, kind = "omnipaxos3", "omnipaxos"


ALL = {kind.name: kind for kind in (ZooKeeper, Synod, Redis, Echo, ThreeZooKeepers, ThreeSynods, ThreeOnRaft, ThreeOnOmniPaxos)}

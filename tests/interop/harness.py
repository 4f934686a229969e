"""What every interop suite shares: a server to kill, a driver to talk to, and a place for results.

A suite is a program written in the client's own language. It gets the server's address, prints one line
per case, and asks for the server to be killed and started again; `run` owns the server. The lines it may
print (everything else is its log):

    @pass NAME SECONDS [note]      @fail NAME SECONDS REASON      @skip NAME REASON
    @kill                          kill -9 the server              answer: ok
    @start                         start it on the same port and data directory, wait until it serves: ok
    @storm ROUNDS                  that many kills and restarts at seeded random moments, in the background: ok
    @calm                          wait until the storm is over    answer: ok ROUNDS
"""

import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
CACHE = os.path.join(REPOSITORY, "build", "interop")
JAVA_LIBRARIES = "/usr/share/java"

SUPER_DIGEST = "super:D/InIHSb7yEEbrWz8b9l71RjZJU="  # user super, password test
START_TIMEOUT_SECONDS = 60

# Empty containers and old TTL nodes go at the next check, by default once a minute. Not a key of zoo.cfg.
PROPERTIES = ["-Dznode.container.checkIntervalMs=500"]

ZOO_CFG = """\
tickTime=500
minSessionTimeout=1000
maxSessionTimeout=60000
dataDir={data}
clientPortAddress=127.0.0.1
clientPort={port}
maxClientCnxns=0
admin.enableServer=false
4lw.commands.whitelist=*
extendedTypesEnabled=true
enforceQuota=true
snapCount=2000
DigestAuthenticationProvider.superDigest={super_digest}
"""


class Failure(Exception):
    """A suite cannot go on; the text says why."""


class Unavailable(Failure):
    """A client, a compiler or a jar that this suite needs is not installed."""


_started = []  # every process of this run, so that none outlives it


def spawn(command, **options):
    process = subprocess.Popen(command, **options)
    _started.append(process)
    return process


def kill_everything():
    for process in _started:
        if process.poll() is None:
            process.kill()


def java_classpath(*jars):
    """The named jars of the distribution; Failure names the ones that are missing."""
    paths = [os.path.join(JAVA_LIBRARIES, jar + ".jar") for jar in jars]
    missing = [path for path in paths if not os.path.exists(path)]
    if missing:
        raise Unavailable("missing " + ", ".join(missing))
    return ":".join(paths)


def client_jars():
    return java_classpath("zookeeper", "zookeeper-jute", "slf4j-api", "slf4j-simple", "commons-cli",
                          "netty-common", "netty-transport", "netty-handler", "netty-buffer")


JAVA_OPTIONS = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Djava.net.preferIPv4Stack=true",
                "-Dorg.slf4j.simpleLogger.showDateTime=true"]


def have_java_server():
    try:
        client_jars()
    except Failure:
        return False
    return shutil.which("java") is not None


def free_port():
    """A port below the range that outgoing connections use. A client that tries a dead server's port again
    and again may otherwise get that very port as its own, connect to itself, and keep the server from it."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def receive_exactly(connection, count):
    received = b""
    while len(received) < count:
        part = connection.recv(count - len(received))
        if not part:
            raise OSError("closed")
        received += part
    return received


def handshake(port, timeout_seconds=2.0):
    """A real client's first exchange, then a polite close. True when the server granted a session."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout_seconds) as connection:
            connection.settimeout(timeout_seconds)
            request = struct.pack(">iqiqi16s?", 0, 0, 4000, 0, 16, bytes(16), False)
            connection.sendall(struct.pack(">i", len(request)) + request)
            (length,) = struct.unpack(">i", receive_exactly(connection, 4))
            reply = receive_exactly(connection, length)
            _, _, session = struct.unpack(">iiq", reply[:16])
            connection.sendall(struct.pack(">iii", 8, 1, -11))
            connection.recv(64)
            return session != 0
    except OSError:
        return False


class Server:
    """One standalone server on one port and one data directory, which survive its deaths."""

    def __init__(self, kind, folder, seed, binary=None):
        self.binary = binary
        self.kind = kind
        self.folder = folder
        self.port = free_port()
        self.random = random.Random(seed)
        self.process = None
        self.kills = 0
        self.lock = threading.Lock()
        os.makedirs(os.path.join(folder, "data"), exist_ok=True)
        self.config = os.path.join(folder, "zoo.cfg")
        with open(self.config, "w") as config:
            config.write(ZOO_CFG.format(data=os.path.join(folder, "data"), port=self.port,
                                        super_digest=SUPER_DIGEST))
        self.log_path = os.path.join(folder, "server.log")

    @property
    def address(self):
        return "127.0.0.1:%d" % self.port

    def command(self):
        if self.kind == "java":
            return (["java", "-Xmx512m"] + JAVA_OPTIONS + [
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            ] + PROPERTIES + ["-cp", java_classpath("zookeeper", "zookeeper-jute", "slf4j-api", "slf4j-simple"),
                "org.apache.zookeeper.server.quorum.QuorumPeerMain", self.config])
        return [self.binary, "serve"] + PROPERTIES + [self.config]

    def start(self):
        with self.lock:
            with open(self.log_path, "ab") as log:
                self.process = spawn(self.command(), stdin=subprocess.DEVNULL, stdout=log,
                                                stderr=log, cwd=self.folder)
            deadline = time.monotonic() + START_TIMEOUT_SECONDS
            while time.monotonic() < deadline:
                if handshake(self.port):
                    return
                if self.process.poll() is not None:
                    raise Failure("the server ended with %d: %s" % (self.process.returncode, self.log_tail()))
                time.sleep(0.05)
            raise Failure("the server did not serve within %d s: %s" % (START_TIMEOUT_SECONDS, self.log_tail()))

    def kill(self):
        with self.lock:
            if self.process is not None and self.process.poll() is None:
                self.process.kill()
                self.process.wait()
                self.kills += 1
            self.process = None

    def log_tail(self):
        with open(self.log_path, "rb") as log:
            return log.read()[-600:].decode(errors="replace").strip()


class Storm(threading.Thread):
    """Kills and restarts at random moments. Java takes seconds to come up, so its pauses are longer."""

    def __init__(self, server, rounds):
        super().__init__(daemon=True)
        self.server = server
        self.rounds = rounds
        self.done = 0
        self.error = None
        self.stopped = threading.Event()

    def run(self):
        chance = self.server.random
        try:
            for _ in range(self.rounds):
                if self.stopped.wait(chance.uniform(0.8, 3.0)):
                    return
                self.server.kill()
                if self.stopped.wait(chance.choice([0, 0.2, 1.0])):
                    return
                self.server.start()
                self.done += 1
        except Exception as error:  # whoever waits for the calm must hear of it
            self.error = error


class Driver:
    """Runs a suite's program and serves its requests. Results go to `report(status, name, seconds, text)`."""

    def __init__(self, command, server, report, log_path, limit_seconds, environment=None):
        self.command = command
        self.server = server
        self.report = report
        self.log_path = log_path
        self.limit_seconds = limit_seconds
        self.environment = dict(os.environ, **(environment or {}))
        self.storm = None

    def run(self):
        with open(self.log_path, "wb") as log:
            process = spawn(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                       env=self.environment, text=True,
                                       errors="replace", cwd=self.server.folder)
            watchdog = threading.Timer(self.limit_seconds, process.kill)
            watchdog.start()
            try:
                for line in process.stdout:
                    log.write(line.encode())
                    log.flush()
                    if line.startswith("@"):
                        self.serve(line.rstrip("\n"), process)
                process.wait()
            finally:
                watchdog.cancel()
                if self.storm is not None:
                    self.storm.stopped.set()
                    self.storm.join()
                if process.poll() is None:
                    process.kill()
                    process.wait()
        if process.returncode == -signal.SIGKILL:
            raise Failure("the driver did not end within %d s; see %s" % (self.limit_seconds, self.log_path))
        if process.returncode != 0:
            raise Failure("the driver ended with %d; see %s" % (process.returncode, self.log_path))

    def serve(self, line, process):
        word, _, rest = line.partition(" ")
        if word in ("@pass", "@fail"):
            name, seconds, text = (rest.split(" ", 2) + [""])[:3]
            self.report(word[1:], name, float(seconds), text)
            return
        if word == "@skip":
            name, _, text = rest.partition(" ")
            self.report("skip", name, 0.0, text)
            return
        answer = "ok"
        if word == "@kill":
            self.server.kill()
        elif word == "@start":
            self.server.start()
        elif word == "@storm":
            self.storm = Storm(self.server, int(rest))
            self.storm.start()
        elif word == "@calm":
            self.storm.join()
            if self.storm.error:
                raise self.storm.error
            answer = "ok %d" % self.storm.done
        else:
            raise Failure("unknown request from the driver: " + line)
        process.stdin.write(answer + "\n")
        process.stdin.flush()


def build_if_older(target, sources, command):
    """Runs `command` unless `target` is newer than all `sources`. Several suites may ask at once."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.exists(target) and all(os.path.getmtime(target) >= os.path.getmtime(s) for s in sources):
        return
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure("%s failed:\n%s" % (command[0], (done.stdout + done.stderr)[-3000:]))


def keep_binary(folder):
    """A copy of the server under test, so that a build beside this run cannot change or remove it."""
    binary = os.environ.get("SYNOD_BIN", os.path.join(REPOSITORY, "build", "release", "synod"))
    if not os.access(binary, os.X_OK):
        raise Failure("no server at %s (set SYNOD_BIN)" % binary)
    return shutil.copy(binary, os.path.join(folder, "synod"))


class Context:
    """What a suite gets: the options, a folder of its own, and where results go."""

    def __init__(self, options, folder, report):
        self.options = options
        self.folder = folder
        self.report = report
        self.seed = options.seed
        self.compare_with_java = have_java_server()
        self.storm_rounds = 40 if options.long else 5
        self.limit_seconds = 1200 if options.long else 240

    def server(self, kind=None):
        kind = kind or self.options.server
        folder = os.path.join(self.folder, "%s-%d" % (kind, len(os.listdir(self.folder))))
        server = Server(kind, folder, self.seed, self.options.binary)
        server.start()
        return server

    def drive(self, server, command, environment=None):
        arguments = [server.address, str(self.seed), str(self.storm_rounds), self.options.case]
        try:
            Driver(command + arguments, server, self.report, os.path.join(self.folder, "client.log"),
                   self.limit_seconds, dict(environment or {}, INTEROP_SERVER=server.kind)).run()
        finally:
            server.kill()

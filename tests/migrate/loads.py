"""Clients in Java, C and Python that write, hold a session with an ephemeral node, and watch; what they hear is judged."""

import bisect
import pathlib
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "reconfig"))
sys.path.append(str(HERE.parent / "interop"))

import stage  # first: it says where to look for the others
from clients import client_of, require, wait_until
from harness import CACHE, build_if_older, client_jars

PATIENCE_SECONDS, FIRST_SECONDS = 90, 60


def command_of(language):
    folder = pathlib.Path(CACHE) / "migrate"
    if language == "python":
        return ["/usr/bin/python3", "-B", str(HERE / "kazoo_client.py")]
    if language == "c":
        program = str(folder / "client")
        build_if_older(program, [str(HERE / "client.c")], ["cc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-o", program, str(HERE / "client.c"),
                                                           "-lzookeeper_mt", "-lpthread"])
        return [program]
    build_if_older(str(folder / "Client.class"), [str(HERE / "Client.java")], ["javac", "-nowarn", "-d", str(folder), "-cp", client_jars(), str(HERE / "Client.java")])
    return ["java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=off", "-cp",
            f"{folder}:{client_jars()}", "Client"]


class Client:
    """One program; its lines are read as they come."""

    def __init__(self, language, hosts, folder):
        self.language = language
        self.acknowledged, self.at_ms = [], []  # numbers, and when
        self.session, self.lost, self.ending = None, [], None
        self.errors = open(pathlib.Path(folder) / f"client-{language}.log", "wb")
        self.process = subprocess.Popen([*command_of(language), hosts, language], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            word, *rest = line.split()
            if word == "ack":
                self.acknowledged.append(int(rest[0]))
                self.at_ms.append(int(rest[1]))
            elif word == "session":
                self.session = int(rest[0])
            elif word == "lost":
                self.lost.append(" ".join(rest))
            elif word in ("done", "stale"):
                self.ending = (word, *map(int, rest))

    def say(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def longest_gap(self, begin_ms, end_ms):
        """Seconds between two acknowledgements, one of them within; the last one may still be awaited."""
        first = max(0, bisect.bisect_left(self.at_ms, begin_ms) - 1)
        times = [ms for ms in self.at_ms[first:] if ms <= end_ms] + [end_ms]
        return max((after - before for before, after in zip(times, times[1:])), default=0) / 1000

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.errors.close()


class Loads:
    LANGUAGES = ("java", "c", "python")

    def __init__(self, on):
        self.on, self.clients = on, []

    def __enter__(self):
        for language in self.LANGUAGES:
            command_of(language)  # compiled before any clock runs
        self.clients = [Client(language, self.on.addresses, self.on.folder) for language in self.LANGUAGES]
        self.wait_for_more(seconds=FIRST_SECONDS)
        return self

    def __exit__(self, *_):
        for client in self.clients:
            client.kill()

    def wait_for_more(self, count=20, seconds=PATIENCE_SECONDS):
        """Every client goes on: none is stuck, none has ended."""
        wanted = {client: len(client.acknowledged) + count for client in self.clients}
        wait_until(lambda: all(len(client.acknowledged) >= number or client.process.poll() is not None for client, number in wanted.items()),
                   f"{count} more writes of each client are acknowledged", seconds)
        for client in self.clients:
            require(client.process.poll() is None, f"the {client.language} client ended with {client.process.returncode}")

    def longest_gaps(self, begin_ms, end_ms):
        return {client.language: client.longest_gap(begin_ms, end_ms) for client in self.clients}

    def require_kept(self):
        """Nothing acknowledged is missing on any server, every session lives, with its ephemeral node."""
        wanted = {client: list(client.acknowledged) for client in self.clients}
        for member in self.on.members.values():
            with client_of(member, timeout=30.0) as reader:
                reader.sync("/")
                for client, numbers in wanted.items():
                    root = f"/load-{client.language}"
                    there = {int(name) for folder in reader.get_children(root) if folder != "alive" for name in reader.get_children(f"{root}/{folder}")}
                    missing = [number for number in numbers if number not in there]
                    require(not missing, f"server {member.sid} ({member.kind}) lost {len(missing)} acknowledged writes of the {client.language} client: {missing[:5]}")
                    alive = reader.exists(f"{root}/alive")
                    require(alive is not None and alive.ephemeralOwner == client.session,
                            f"server {member.sid} ({member.kind}) has not the ephemeral node of the {client.language} client's session {client.session:#x}")
        for client in self.clients:
            require(not client.lost, f"{client.language}: {client.lost}")

    def finish(self):
        """The last state, with every watch delivered; how much was acknowledged."""
        for client in self.clients:
            client.say("stop")
        wait_until(lambda: all(client.ending is not None or client.process.poll() is not None for client in self.clients), "all clients come to an end", PATIENCE_SECONDS)
        for client in self.clients:
            require(client.ending is not None, f"the {client.language} client ended with {client.process.returncode}")
            require(client.ending[0] == "done", f"the {client.language} client's watch last showed {client.ending[1]}, and {client.ending[2]} was written")
        self.require_kept()
        return sum(len(client.acknowledged) for client in self.clients)


def now_ms():
    return int(time.monotonic() * 1000)

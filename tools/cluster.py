#!/usr/bin/python3
"""./dev cluster: servers on loopback, to watch and to break.

cluster.py SYNOD FOLDER [command…]

Starts three servers, says who leads, and takes commands, which `help` lists: kill the leader, see another
take over, start the old one again, add an observer. `election` does the same one level up: three client
processes that elect a leader among themselves on the service.
"""
import logging
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

VOTERS = (1, 2, 3)
CLIENTS = ("anna", "ben", "cleo")
ROOT = "/try"
HELP = """
  status                who leads, who follows, and how many servers may fail
  kill [N|leader]       kill -9: the hard end of a process (the leader, if you say nothing)
  pause N, resume N     stop a server's process for a while, as a frozen machine would
  start [N]             start it again (the one that is down, if you say nothing)
  observer              add a server that serves reads, and does not vote
  write [seconds]       a client that writes as fast as it is answered, and counts (10 s)
  check                 is everything that was acknowledged still there, on every server?
  election              three client processes elect a leader among themselves; `kill client` ends it
  tour                  the first few of these by themselves, with a word to each
  quit                  stops everything (so does Ctrl-C)
"""


def say(text):
    sys.stdout.write(text + "\n")  # at once: several threads speak
    sys.stdout.flush()


def free_port(wanted=0):
    """The wanted port if it is free, else any."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", wanted))
        except OSError:
            return free_port()
        return s.getsockname()[1]


def ask(port):
    """What a server says to `quor`, as a dict; empty while nobody answers."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as s:
            s.sendall(b"quor")
            answer = b""
            while chunk := s.recv(4096):
                answer += chunk
        return dict(line.split("=", 1) for line in answer.decode().splitlines() if "=" in line)
    except OSError:
        return {}


class Server:
    def __init__(self, cluster, number, is_observer=False):
        self.cluster, self.number = cluster, number
        self.folder = cluster.folder / str(number)
        self.port = free_port(2180 + number)
        role = ":observer" if is_observer else ""
        self.line = f"server.{number}=127.0.0.1:{free_port(2880 + number)}:{free_port(3880 + number)}{role}"
        self.process = None

    @property
    def is_up(self):
        return self.process is not None and self.process.poll() is None

    def configure(self, lines):
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        (self.folder / "data/myid").write_text(f"{self.number}\n")
        (self.folder / "zoo.cfg").write_text(
            f"tickTime=1000\ninitLimit=10\nsyncLimit=3\ndataDir={self.folder}/data\nclientPort={self.port}\n"
            + "".join(f"{line}\n" for line in lines))

    def start(self):
        log = open(self.folder / "log", "a")
        # A session of its own: Ctrl-C at the prompt is for the prompt.
        self.process = subprocess.Popen([self.cluster.synod, "serve", str(self.folder / "zoo.cfg")], stdin=subprocess.DEVNULL,
                                        stdout=log, stderr=log, start_new_session=True)
        threading.Thread(target=self.watch, args=(self.process,), daemon=True).start()

    def watch(self, process):
        """Tells what it writes of its place in the ensemble, and when it ends."""
        with open(self.folder / "log") as log:
            log.seek(0, os.SEEK_END)
            while True:
                has_ended = process.poll() is not None
                for line in log.readlines():
                    is_told = any(word in line for word in ("leading", "following", "observing", "looking", "error", "critical"))
                    if is_told and not self.cluster.is_stopping:
                        say(f"  server {self.number}: {line.rstrip().split('] ')[-1]}")
                if has_ended and not self.cluster.is_stopping:
                    say(f"  server {self.number} ended (status {process.returncode})")
                if has_ended:
                    return
                time.sleep(0.05)

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        if self.is_up:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Writer:
    """Numbered nodes below ROOT, one after the other; what was acknowledged is remembered."""

    def __init__(self, cluster):
        self.cluster, self.next = cluster, 0
        self.acknowledged = []

    def run(self, seconds):
        client = self.cluster.client()
        client.ensure_path(ROOT)
        deadline, last, worst, before = time.monotonic() + seconds, time.monotonic(), 0.0, len(self.acknowledged)
        while time.monotonic() < deadline:
            self.next += 1
            path = f"{ROOT}/{self.next:08}"
            try:
                client.create(path, b"acknowledged")
            except Exception as problem:  # not acknowledged: it may be there or not, and is not counted
                say(f"  a write without an answer ({type(problem).__name__}); the client goes on")
                time.sleep(0.05)
                continue
            self.acknowledged.append(path)
            now = time.monotonic()
            worst, last = max(worst, now - last), now
        say(f"  {len(self.acknowledged) - before} writes acknowledged in {seconds:g} s; the longest wait was {worst:.2f} s")
        close(client)

    def check(self):
        for server in self.cluster.running():
            client = self.cluster.client(server)
            client.sync(ROOT)
            there = {f"{ROOT}/{name}" for name in client.get_children(ROOT)} if client.exists(ROOT) else set()
            missing = [path for path in self.acknowledged if path not in there]
            say(f"  server {server.number}: {len(self.acknowledged) - len(missing)} of {len(self.acknowledged)} "
                f"acknowledged writes are there{'' if not missing else '; MISSING ' + missing[0]}")
            close(client)


def close(client):
    client.stop()
    client.close()


class Clients:
    """Three processes, each a candidate in an election of their own."""

    def __init__(self, cluster):
        self.cluster, self.processes, self.leader = cluster, {}, None

    def start(self):
        for name in CLIENTS:
            if name in self.processes and self.processes[name].poll() is None:
                continue
            command = [sys.executable, "-u", __file__, "--candidate", name, self.cluster.hosts()]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True)
            self.processes[name] = process
            threading.Thread(target=self.watch, args=(name, process), daemon=True).start()

    def watch(self, name, process):
        for line in process.stdout:
            if "leads" in line:
                self.leader = name
            say(f"  client {line.rstrip()}")
        if not self.cluster.is_stopping:
            say(f"  client {name} is gone")

    def kill(self):
        if self.leader and self.processes[self.leader].poll() is None:
            say(f"  kill -9 {self.processes[self.leader].pid}   ({self.leader}; its session ends after 4 s without a word)")
            self.processes[self.leader].kill()
        else:
            say("  no client leads; `election` starts three")

    def stop(self):
        for process in self.processes.values():
            process.kill()
            process.wait()


def candidate(name, hosts):
    """One of the three: waits for its turn, leads until it is killed."""
    from kazoo.client import KazooClient
    client = KazooClient(hosts, timeout=4)
    client.start(60)

    def lead():
        say(f"{name} (process {os.getpid()}) leads")
        while client.connected:
            time.sleep(0.1)

    election = client.Election("/election", name)
    say(f"{name} (process {os.getpid()}) is a candidate")
    while True:
        election.run(lead)


class Cluster:
    def __init__(self, synod, folder):
        self.synod, self.folder = synod, pathlib.Path(folder).resolve()
        self.is_stopping = False
        shutil.rmtree(self.folder, ignore_errors=True)
        self.servers = {number: Server(self, number) for number in VOTERS}
        self.writer, self.clients = Writer(self), Clients(self)

    def hosts(self):
        return ",".join(f"127.0.0.1:{server.port}" for server in self.servers.values())

    def client(self, server=None):
        from kazoo.client import KazooClient
        client = KazooClient(f"127.0.0.1:{server.port}" if server else self.hosts(), timeout=10)
        client.start(30)
        return client

    def running(self):
        return [server for server in self.servers.values() if server.is_up]

    def leader(self, seconds=20):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for server in self.running():
                answer = ask(server.port)
                if answer.get("mode") == "leader" and answer.get("serving") == "true":
                    return server
            time.sleep(0.05)
        return None

    def start(self):
        lines = [server.line for server in self.servers.values()]
        for server in self.servers.values():
            server.configure(lines)
            server.start()
        if self.leader() is None:
            say(f"No leader after 20 s; the servers' logs are {self.folder}/*/log")
            raise SystemExit(1)
        self.wait_serving()

    def wait_serving(self, seconds=10):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and any(ask(s.port).get("serving") != "true" for s in self.running()):
            time.sleep(0.05)
        time.sleep(0.1)  # their lines first

    def stop(self):
        self.is_stopping = True
        self.clients.stop()
        for server in self.servers.values():
            server.stop()

    # ---- commands

    def status(self, *_):
        subprocess.run([self.synod, "status", *(f"127.0.0.1:{server.port}" for server in self.servers.values())], check=False)

    def which(self, word):
        return self.servers.get(int(word)) if word.isdigit() else None

    def kill(self, word="leader", *_):
        if word == "client":
            return self.clients.kill()
        server = self.leader(2) if word == "leader" else self.which(word)
        if server is None or not server.is_up:
            return say("  there is no such server; `status` shows them")
        say(f"  kill -9 {server.process.pid}   (server {server.number})")
        server.process.kill()
        server.process.wait()
        time.sleep(1)
        return None

    def revive(self, word="", *_):
        down = [server for server in self.servers.values() if not server.is_up and word in ("", str(server.number))]
        for server in down:
            say(f"  {self.synod} serve {server.folder}/zoo.cfg")
            server.start()
        if not down:
            return say("  all servers run")
        self.wait_serving()
        return None

    def pause(self, word="", *_):
        server = self.which(word)
        return server.signal(signal.SIGSTOP) if server and server.is_up else say("  pause N: which one?")

    def resume(self, word="", *_):
        server = self.which(word)
        return server.signal(signal.SIGCONT) if server and server.is_up else say("  resume N: which one?")

    def observer(self, *_):
        number = max(self.servers) + 1
        server = Server(self, number, is_observer=True)
        lines = [other.line for other in self.servers.values()] + [server.line]
        server.configure(lines)
        self.servers[number] = server
        say(f"  {self.synod} serve {server.folder}/zoo.cfg   (only its own file knows it; the others need no restart)")
        server.start()
        self.wait_serving()

    def write(self, seconds="10", *_):
        self.writer.run(float(seconds))

    def check(self, *_):
        self.writer.check()

    def election(self, *_):
        self.clients.start()
        time.sleep(2)

    def tour(self, *_):
        def step(text):
            say(f"\n{text}")
        step("Three servers; one leads. Writes go through it, and count once two of the three have them on disk.")
        self.status()
        step("A client writes for 6 seconds. After 2 of them the leader is killed.")
        writing = threading.Thread(target=self.writer.run, args=(6.0,))
        writing.start()
        time.sleep(2)
        self.kill("leader")
        writing.join()
        step("Another one leads. Is everything there that was acknowledged, before and after?")
        self.check()
        self.status()
        step("The old one comes back: it follows, gets what it missed, and disturbs nobody.")
        self.revive()
        self.check()
        self.status()
        step("An observer: more room for readers, and no say in what is committed.")
        self.observer()
        self.status()
        say("\nTry for yourself: kill two of the three, and see that nothing is written, and nothing lost. `help` lists all.")


COMMANDS = {"status": Cluster.status, "kill": Cluster.kill, "start": Cluster.revive, "pause": Cluster.pause, "resume": Cluster.resume,
            "observer": Cluster.observer, "write": Cluster.write, "check": Cluster.check, "election": Cluster.election, "tour": Cluster.tour}


def welcome(cluster):
    say(f"""
Three servers of one ensemble; their files are in {cluster.folder}. From another terminal, any client:
  {cluster.synod} status {' '.join(f'127.0.0.1:{s.port}' for s in cluster.servers.values())}
  /usr/bin/python3 -c "from kazoo.client import KazooClient as K; k = K('{cluster.hosts()}'); k.start(); print(k.get_children('/'))"
Here: `tour` shows what it can take, `kill` ends the leader, `start` brings it back, `help` lists the rest, Ctrl-C stops all.
""")


def obey(cluster, words):
    command = COMMANDS.get(words[0])
    if command is None:
        return say(HELP)
    try:
        command(cluster, *words[1:])
    except Exception as problem:  # a client without servers, mostly
        say(f"  {type(problem).__name__}: {problem}")
    return None


def prompt(cluster):
    while True:
        try:
            line = input("> " if sys.stdin.isatty() else "")
        except EOFError:
            if sys.stdin.isatty():
                return
            signal.pause()  # started without a terminal: until somebody ends it
        words = line.split()
        if not words:
            continue
        if words[0] in ("quit", "exit"):
            return
        obey(cluster, words)


def main(arguments):
    logging.getLogger("kazoo").setLevel(logging.CRITICAL)  # what it would say is seen here anyway
    if arguments[:1] == ["--candidate"]:
        return candidate(*arguments[1:])
    cluster = Cluster(arguments[0], arguments[1])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        cluster.start()
        welcome(cluster)
        cluster.status()
        for word in arguments[2:]:
            say(f"> {word}")
            obey(cluster, [word])
        prompt(cluster)
    except KeyboardInterrupt:
        say("")
    finally:
        cluster.stop()
        say("Stopped.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

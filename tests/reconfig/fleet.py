"""Servers that come and go: an ensemble whose members change, and what holds after every change."""

import pathlib
import re
import subprocess
import threading
import time

from kazoo.exceptions import NewConfigNoQuorumError

from clients import PATIENCE, UNANSWERED, client_of, membership, require, wait_until
from ensemble import SYNOD, Failed, four_letters
from members import Server


class Fleet:
    """`kind`: of every server, or {number: kind}."""

    def __init__(self, folder, kind="synod", engine="zab", **config):
        self.folder, self.kind, self.engine = pathlib.Path(folder), kind, engine
        self.config = {**({"consensus": engine} if kind == "synod" else {}), **config}
        self.in_doubt = 0  # changes that were not answered
        self.servers, self.members = {}, {}  # by number: all that run, and {number: role} of those that belong

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self.servers.values():
            server.kill()

    def begin(self, *sids, first=None):
        """`first` is up before the others: with the largest number it leads."""
        self.members = dict.fromkeys(sids, "participant")
        for sid in sids:
            self.servers[sid] = self.make(sid)
        for sid in sorted(sids, key=lambda number: number != first):
            self.servers[sid].start(self.lines())
            if sid == first:
                self.servers[sid].wait_for_election_port()
        self.wait(*sids)

    def kind_of(self, sid):
        return self.kind if isinstance(self.kind, str) else self.kind[sid]

    def make(self, sid, role="participant"):
        return Server(sid, self.kind_of(sid), self.folder, role, config=self.config)

    def lines(self):
        return [self.servers[sid].line_as(role) for sid, role in self.members.items()]

    def launch(self, sid, role="participant"):
        """A server that is to join: it knows the members, and itself. They do not know it."""
        server = self.servers[sid] = self.make(sid, role)
        server.start(self.lines() + [server.line])
        self.wait_for_newcomer(sid)
        return server

    def wait_for_newcomer(self, sid):
        if self.engine == "omnipaxos":  # stands by, and fetches what it lacks once it belongs
            wait_until(lambda: quor(self.servers[sid]), f"server {sid} answers")
        else:
            self.wait(sid)

    def wait(self, *sids):
        for sid in sids or self.members:
            server = self.servers[sid]
            deadline = time.monotonic() + 2 * PATIENCE
            while not server.mode():
                if server.process.poll() is not None:
                    raise Failed(f"server {sid} ended with {server.process.returncode}\n{server.log[-3000:]}")
                if time.monotonic() > deadline:
                    raise Failed(f"server {sid} does not serve\n{server.log[-3000:]}")
                time.sleep(0.05)

    def belonging(self):
        return [self.servers[sid] for sid in self.members]

    def leader(self):
        leaders = []

        def has_one():
            leaders[:] = [server for server in self.belonging() if server.mode() == "leader"]
            return len(leaders) == 1
        wait_until(has_one, f"one of {list(self.members)} leads")
        return leaders[0]

    def after(self, joining=None, leaving=(), new_members=None):
        return {**{sid: role for sid, role in (new_members or self.members).items() if sid not in leaving}, **(joining or {})}

    def change(self, joining=None, leaving=(), new_members=None, unaffected=()):
        """Asks for it at servers that stay, and checks what must hold then. joining: {number: role}."""
        after = self.after(joining, leaving, new_members)
        staying = [self.servers[sid] for sid, role in self.members.items() if after.get(sid) == role]  # Java's drop their clients with their role
        leads_on = after.get(self.leader().sid) == "participant"
        with client_of(*(staying or self.belonging())) as client:
            unanswered = self.ask_and_check(client, after, joining or {}, leaving, new_members or {}, unaffected)
        self.in_doubt += unanswered
        require(not (unanswered and staying and leads_on), f"the change to {after} was not answered, though the leader and who was asked stay")

    def ask_and_check(self, client, after, joining, leaving, new_members, unaffected):
        """How many answers are missing."""
        with watching([self.servers[sid] for sid in unaffected]) as seen:
            lines = [self.servers[sid].line_as(role) for sid, role in joining.items()]
            all_lines = [self.servers[sid].line_as(role) for sid, role in new_members.items()]
            request = ",".join(lines), ",".join(str(sid) for sid in leaving), ",".join(all_lines)
            unanswered = self.asked(client, request)
            self.members = after
            self.check()
            wait_until(lambda: all(event.is_set() for event in seen.values()),
                       f"watches of /zookeeper/config fire on {[sid for sid, event in seen.items() if not event.is_set()]}")
        return unanswered

    def asked(self, client, request):
        """Until it is taken; how many answers are missing. An Omni-Paxos leader may not have heard of the new servers yet, and Java's
        servers are away for a moment when their role changes."""
        missing = []

        def is_taken():
            try:
                missing.append(ask(client, *request))
            except NewConfigNoQuorumError:
                if self.engine != "omnipaxos" and self.kind == "synod":
                    raise
            return bool(missing)
        wait_until(is_taken, "new servers are connected")
        return sum(missing)

    def check(self):
        """Everybody who belongs says the same, serves in its role, and has written it down."""
        wanted = {sid: self.servers[sid].line_as(role) for sid, role in self.members.items()}
        said = {}

        def agree():
            said.update({server.sid: membership(server) for server in self.belonging()})
            return all(answer is not None and answer[0] == wanted for answer in said.values()) and len({answer[1] for answer in said.values()}) == 1
        try:
            wait_until(agree, "all members have the same membership")
        except Failed as failed:
            raise Failed(f"{failed}: wanted {wanted}, and they say {said}") from failed
        version = next(iter(said.values()))[1]
        for sid, role in self.members.items():
            allowed = ("observer",) if role == "observer" else ("follower", "leader")
            wait_until(lambda: self.servers[sid].mode() in allowed, f"server {sid} is a {role}, and says {self.servers[sid].mode()}")
            wait_until(lambda: self.files_say(sid, wanted, version), f"the files of server {sid} have version {version:x}")
            if self.engine == "omnipaxos":
                running = f"{version:x} running ({','.join(map(str, sorted(self.members)))})"
                require(quor(self.servers[sid])["instances"].endswith(running), f"server {sid} has {quor(self.servers[sid])['instances']}, and not {running}")
        self.leader()

    def files_say(self, sid, wanted, version):
        server = self.servers[sid]
        pointer = re.search(r"^dynamicConfigFile=(.*)$", server.cfg.read_text(), re.MULTILINE)
        if not pointer or not pointer[1].endswith(f".dynamic.{version:x}"):
            return False
        require(not re.search(r"^(server\.|clientPort)", server.cfg.read_text(), re.MULTILINE), f"zoo.cfg of server {sid} has members still")
        require((server.folder / "zoo.cfg.bak").exists(), f"zoo.cfg of server {sid} was not backed up")
        lines = sorted(pathlib.Path(pointer[1]).read_text().split())
        require(lines == sorted(wanted.values()), f"the dynamic file of server {sid} says {lines}")
        return True

    def restart_all(self):
        for server in self.belonging():
            server.kill()
        for server in self.belonging():
            server.start()
        self.wait(*self.members)

    def command(self, *words):
        """synod with these arguments, at any of the members."""
        servers = [f"--server=127.0.0.1:{server.port}" for server in self.belonging()]
        return self.run(*words, *servers, "--auth", "digest:super:secret")

    @staticmethod
    def run(*words):
        return subprocess.run([SYNOD, *words], capture_output=True, text=True, check=False, timeout=4 * PATIENCE)


def ask(client, joining, leaving, new_members):
    """1 if no answer came, as when the server that was asked leaves or hands over: what became of it is seen then."""
    try:
        data, stat = client.reconfig(joining or None, leaving or None, new_members or None)
    except UNANSWERED:
        return 1
    require(data.decode().endswith(f"version={stat.mzxid:x}"), f"the answer has {stat} and says {data}")
    return 0


class watching:
    """A watch of the membership on each of these servers; {number: has it fired}."""

    def __init__(self, servers):
        self.servers, self.open = servers, []

    def __enter__(self):
        seen = {}
        for server in self.servers:
            manager = client_of(server, is_super=False)
            client = manager.__enter__()
            self.open.append(manager)
            seen[server.sid] = fired = threading.Event()
            client.get("/zookeeper/config", watch=lambda event, fired=fired: event.type == "CHANGED" and fired.set())
        return seen

    def __exit__(self, *_):
        for manager in self.open:
            manager.__exit__(None, None, None)


def quor(server):
    """What a server of Synod's says of its ensemble; empty while nobody answers."""
    try:
        answer = four_letters(server.port, b"quor")
    except OSError:
        return {}
    return dict(line.split("=", 1) for line in answer.splitlines())

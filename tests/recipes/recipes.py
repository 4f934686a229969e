"""Counters that are incremented exactly once each time, whatever happens to servers and connections."""

import contextlib
import select
import socket
import threading

import once
from cases import CONFIG, PATIENCE, SYNODS, client_of, require, wait_until
from ensemble import Ensemble
from kazoo.client import KazooClient
from kazoo.exceptions import BadVersionError, NoNodeError

ENGINES = ("zab", "raft", "omnipaxos")
COUNTER = "/counter"


def increment(commands):
    """Once. Others may be quicker: then it is another command, of what is there now."""
    while True:
        data, stat = once.persist(lambda: commands.client.get(COUNTER))
        value = b"%d" % (int(data) + 1)
        try:
            return commands.execute(lambda transaction: transaction.set_data(COUNTER, value, version=stat.version))
        except BadVersionError:
            continue


def increment_again_and_again(client):
    """What many do: the version guards against others, not against oneself."""
    while True:
        try:
            data, stat = client.get(COUNTER)
            return client.set_async(COUNTER, b"%d" % (int(data) + 1), version=stat.version).get(timeout=once.ANSWER_SECONDS)
        except (BadVersionError, *once.UNANSWERED):
            continue


class Incrementer(threading.Thread):
    def __init__(self, members, number):
        super().__init__(daemon=True)
        self.members, self.number, self.done, self.commands, self.problem = members, number, 0, None, None
        self.must_stop = threading.Event()

    def run(self):
        try:
            with client_of(*self.members) as client:
                self.commands = once.Commands(client, f"/clients/{self.number}")
                while not self.must_stop.is_set():
                    increment(self.commands)
                    self.done += 1
        except Exception as problem:
            self.problem = problem


def leaders(folder, scale):
    """The leader is killed with -9 under a load of increments, by each engine."""
    said = []
    for engine in ENGINES:
        with Ensemble(folder / engine, SYNODS, {**CONFIG, "consensus": engine}) as ensemble:
            ensemble.start()
            ensemble.wait()
            members = list(ensemble.members.values())
            with client_of(*members) as client:
                client.create(COUNTER, b"0")
            threads = [Incrementer(members, number) for number in range(4)]
            for thread in threads:
                thread.start()
            for _ in range(3 * scale):
                go_on(threads, 30)
                leader = ensemble.leader()
                leader.kill()
                go_on(threads, 5)
                ensemble.start(leader.sid)
                ensemble.wait(leader.sid)
            for thread in threads:
                thread.must_stop.set()
            for thread in threads:
                thread.join(PATIENCE)
                require(thread.problem is None and not thread.is_alive(), f"a client: {thread.problem}")
            done = sum(thread.done for thread in threads)
            with client_of(*members) as client:
                client.sync(COUNTER)
                counted = int(client.get(COUNTER)[0])
            require(counted == done, f"{engine}: {done} increments were acknowledged, and the counter says {counted}")
            doubts, found = (sum(getattr(thread.commands, name) for thread in threads) for name in ("in_doubt", "found_done"))
            said.append(f"{engine} {done} ({doubts} without an answer at first, {found} of them executed)")
    return f"increments, each counted once: {', '.join(said)}"


def go_on(threads, count):
    wanted = sum(thread.done for thread in threads) + count
    wait_until(lambda: any(thread.problem for thread in threads) or sum(thread.done for thread in threads) >= wanted, f"{count} more increments")


class Thief:
    """Stands between a client and its server; steals the answers it is told to, and breaks the connection instead."""

    ANSWER_BYTES = 20  # more than those of pings

    def __init__(self, port):
        self.server_port, self.trigger, self.stolen = port, None, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        is_stealing = False
        with contextlib.suppress(OSError), client, socket.create_connection(("127.0.0.1", self.server_port)) as server:
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    chunk = ready.recv(65536)
                    if not chunk:
                        return
                    if ready is client:
                        if self.trigger is not None and self.trigger in chunk:
                            self.trigger, is_stealing = None, True
                        server.sendall(chunk)
                    elif is_stealing and len(chunk) > self.ANSWER_BYTES:
                        self.stolen += 1
                        return
                    else:
                        client.sendall(chunk)


def lost_answers(folder, scale):
    """Every answer to an increment is lost once. Who just tries again counts twice; the recipe does not."""
    count = 5 * scale
    with Ensemble(folder, SYNODS, CONFIG) as ensemble:
        ensemble.start()
        ensemble.wait()
        thief = Thief(ensemble.members[1].port)
        client = KazooClient(f"127.0.0.1:{thief.port}", timeout=10)
        client.start(PATIENCE)
        client.create(COUNTER, b"0")
        for _ in range(count):
            thief.trigger = COUNTER.encode() + b"\0\0\0"  # with data behind it: a setData
            increment_again_and_again(client)
        counted = int(client.get(COUNTER)[0])
        require(counted == 2 * count == 2 * thief.stolen, f"{count} increments, {thief.stolen} answers stolen, and the counter says {counted}: nothing is shown by this")
        commands = once.Commands(client, "/clients/1")
        for _ in range(count):
            thief.trigger = commands.path.encode()
            increment(commands)
        after = int(client.get(COUNTER)[0])
        require(after == counted + count, f"{count} increments made {after - counted}")
        require(thief.stolen == 2 * count == commands.found_done + count, f"{thief.stolen} stolen, {commands.found_done} found to be executed")
        client.stop()
        client.close()
        return f"{count} increments whose answers were lost: counted {counted} times by who just tries again, {after - counted} times by the recipe"


class Late(once.Commands):
    """Its first attempt of a command stays under way until deliver()."""

    def __init__(self, *given):
        super().__init__(*given)
        self.late, self.between = None, None

    def attempt(self, command):
        if self.late is None:
            self.late = self.client.transaction()
            self.late.set_data(self.path, self.mark("command"), version=self.version)
            command(self.late)
            raise once.ConnectionLoss
        return super().attempt(command)

    def seal(self):
        if self.between is not None:
            self.between()
        return super().seal()

    def deliver(self):
        return self.late.commit()


def late(folder, scale):
    """An attempt without an answer arrives when a later one was refused: it is executed and said so, or never executed."""
    with Ensemble(folder, SYNODS, CONFIG) as ensemble:
        ensemble.start()
        ensemble.wait()
        with client_of(*ensemble.members.values()) as client:
            sealed = Late(client, "/clients/1")
            with contextlib.suppress(NoNodeError):
                sealed.execute(lambda transaction: transaction.create("/missing/child", b""))
                raise once.NotAlone("a refused command was executed")
            client.create("/missing", b"")
            require(isinstance(sealed.deliver()[0], BadVersionError) and client.exists("/missing/child") is None, "a command was executed after it was refused")

            overtaken = Late(client, "/clients/2")
            overtaken.between = lambda: (client.create("/appears", b""), overtaken.deliver())
            require(overtaken.execute(lambda transaction: transaction.create("/appears/child", b"")) is None, "not found to be executed")
            require(client.exists("/appears/child") is not None and overtaken.found_done == 1, "a command that was executed is said to be refused")
            for commands in (sealed, overtaken):
                require(commands.execute(lambda transaction: transaction.create(f"{commands.path}/next", b"")) is not None, "the next command")
            stranger = once.Commands(client, "/clients/1")
            stranger.execute(lambda transaction: transaction.create("/strange", b""))
            with contextlib.suppress(once.NotAlone):
                sealed.execute(lambda transaction: transaction.create("/never", b""))
                raise AssertionError("two clients share a path unnoticed")
    return "a late attempt is sealed off, or found to be executed; a shared path is noticed"


ALL = {case.__name__: case for case in (leaders, lost_answers, late)}

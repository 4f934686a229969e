"""Write load on one server: several pipelined connections, one per slot (see model.py), all from one thread."""

import random
import select
import time

import wire
from model import EPHEMERAL, SEQUENTIAL, Entry, History, State

ANYONE = [[31, "world", "anyone"]]
SESSION_MS = 40_000
NAMES = 24  # children of a slot's node


def now():
    return time.monotonic_ns()


def has_frame(raw):
    return len(raw) >= 4 and len(raw) >= 4 + int.from_bytes(raw[:4], "big")


class WrongAnswer(Exception):
    """The running server answered what the model cannot."""


class Slot:
    """One client: makes up requests that fit the state it will have when they arrive, and notes the answers."""

    def __init__(self, number, seed):
        self.history = History(number)
        self.random = random.Random(f"{seed}/{number}")
        self.root = f"/s{number}"
        self.state = State()     # after everything sent
        self.in_flight = []      # numbers of entries
        self.connection = self.session = None
        self.is_closing, self.depth, self.acknowledged = False, 1, 0

    # -- Making requests

    def value(self, part=0):
        size = self.random.choice([0, 8, 8, 40, 200, 700, self.random.randrange(3000)])
        tag = f"{self.history.slot}.{len(self.history.entries)}.{part}."
        return tag + "".join(self.random.choices("abcdefghijklmnopqrstuvwxyz", k=8)) * (size // 8)

    def create(self, path, flags=0, part=0):
        return {"op": "create", "path": path, "data": self.value(part), "acl": ANYONE, "flags": flags}

    def simple(self, part=0):
        r = self.random
        path = f"{self.root}/n{r.randrange(NAMES)}"
        node = self.state.nodes.get(path)
        if r.random() < 0.06:
            return self.create("/all/n", SEQUENTIAL, part)
        if node is None:
            return self.create(path, EPHEMERAL if r.random() < 0.3 else 0, part)
        below = path + "/x"
        if node.owner == 0 and r.random() < 0.2:
            return {"op": "delete", "path": below, "version": -1} if below in self.state.nodes else self.create(below, 0, part)
        if r.random() < 0.25 and below not in self.state.nodes:
            return {"op": "delete", "path": path, "version": r.choice([-1, node.version])}
        version = r.choice([-1, node.version, node.version if r.random() < 0.8 else node.version + 7])
        return {"op": "setData", "path": path, "data": self.value(part), "version": version}

    def multi(self):
        ops = [self.simple(part) for part in range(self.random.randint(1, 5))]
        if self.random.random() < 0.3:
            ops.append({"op": "check", "path": self.root, "version": -1})
        if self.random.random() < 0.15:
            ops.append({"op": "delete", "path": self.root + "/never", "version": -1})
        return {"op": "multi", "ops": ops}

    def next_op(self):
        if self.root not in self.state.nodes:
            return self.create(self.root)
        marker = f"{self.root}/live-{self.session['id']:x}"
        if marker not in self.state.nodes:  # so that closing the session can be told from not closing it
            return self.create(marker, EPHEMERAL)
        chance = self.random.random()
        if chance < 0.003:
            self.is_closing = True
            return {"op": "closeSession"}
        return self.multi() if chance < 0.12 else self.simple()

    def note(self, op):
        """Enters the request into the history; its frame."""
        number = len(self.history.entries)
        entry = Entry(op, self.session["id"], now())
        self.history.entries.append(entry)
        self.in_flight.append((number, self.state.apply(number, op, entry.session)))
        return wire.frame(op, number + 1, None)

    def fill(self):
        raw = []
        while len(self.in_flight) < self.depth and not self.is_closing:
            raw.append(self.note(self.next_op()))
        if raw:
            self.connection.send(b"".join(raw))
        if not self.in_flight:
            self.depth = self.random.choice([1, 4, 16, 32])

    # -- Sessions

    def connect(self, port):
        """A new session, or the old one moved here."""
        connection = wire.Connection(port)
        old = self.session
        connection.send(wire.connect_request(0, SESSION_MS, old["id"] if old else 0, bytes.fromhex(old["password"]) if old else b"\0" * 16))
        reply = wire.connect_reply(connection.read_frame())
        if old and reply.sid != old["id"]:
            raise WrongAnswer(f"slot {self.history.slot}: session {old['id']:#x} is lost")
        if not old:
            self.session = {"id": reply.sid, "password": reply.password.hex(), "timeout": reply.timeout, "opened": now()}
            self.history.sessions.append(self.session)
        self.connection, self.is_closing, self.depth = connection, False, self.random.choice([1, 4, 16, 32])

    def disconnect(self):
        if self.connection:
            self.connection.close()
        self.connection, self.in_flight = None, []

    # -- Answers

    def take(self):
        """Reads what has come. False: the connection has ended."""
        try:
            self.acknowledge(self.connection.next())
            while self.connection and has_frame(self.connection.pending):
                self.acknowledge(self.connection.next())
            return True
        except wire.Closed:
            return False

    def acknowledge(self, reply):
        number, expected = self.in_flight.pop(0)
        entry = self.history.entries[number]
        if reply.xid != number + 1:
            raise WrongAnswer(f"slot {self.history.slot}: request {number + 1} was answered as {reply.xid}")
        error = reply.err
        if entry.op["op"] == "multi" and error == 0:
            error = next((result[1] for result in wire.decode(entry.op, 0, reply.body) if result[0] == "error" and result[1] not in (0, -2)), 0)
        if error != expected:
            raise WrongAnswer(f"slot {self.history.slot}: {entry.op} was answered with {error}, not {expected}")
        if entry.op["op"] == "create" and entry.op["flags"] & SEQUENTIAL:
            entry.name = wire.decode(entry.op, 0, reply.body)[0]
        entry.zxid, entry.acked = reply.zxid, now()
        self.acknowledged += 1
        if entry.op["op"] == "closeSession":
            self.disconnect()
            self.session = None

    def settle(self, happened):
        """After a restart: which requests are in the tree, as `judge` found out."""
        seen = now()
        self.state = State()
        for number, entry in enumerate(self.history.entries):
            if number in happened:
                self.state.apply(number, entry.op, entry.session)
                if entry.acked is None:
                    entry.acked = seen
                    if entry.op["op"] == "closeSession":
                        self.session = None
            elif entry.dropped is None:
                entry.dropped = seen


class Load:
    def __init__(self, slots, seed):
        self.slots = [Slot(number, seed) for number in range(slots)]

    @property
    def histories(self):
        return [slot.history for slot in self.slots]

    @property
    def acknowledged(self):
        return sum(slot.acknowledged for slot in self.slots)

    def run(self, port, seconds):
        """Writes for so long. False: the server went away."""
        end = time.monotonic() + seconds
        try:
            self.make_shared(port)
            while time.monotonic() < end:
                for slot in self.slots:
                    if slot.connection is None:
                        slot.connect(port)
                    slot.fill()
                readable, _, _ = select.select([slot.connection.socket for slot in self.slots], [], [], 0.05)
                for slot in self.slots:
                    if slot.connection and slot.connection.socket in readable and not slot.take() and slot.connection:
                        return False
            return True
        except (wire.Closed, OSError):
            return False

    def make_shared(self, port):
        first = self.slots[0]
        if first.connection is None:
            first.connect(port)
        if "/all" in first.state.nodes:
            return
        first.connection.send(first.note(first.create("/all")))
        while first.in_flight:
            first.acknowledge(first.connection.next())

    def hear_out(self):
        """The server is gone: what it still said, counts; then the connections go too."""
        for slot in self.slots:
            try:
                while slot.connection and slot.take():
                    pass
            except OSError:
                pass
            slot.disconnect()

    def settle(self, verdict):
        for slot in self.slots:
            slot.settle(verdict.happened.get(slot.history.slot, set()))

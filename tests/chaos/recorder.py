"""A client that writes down what it did and saw, as JSON lines for `synod sim check` (src/sim/check/history_file.h).

It speaks the wire itself, because a history needs what client libraries hide: each reply's zxid. As they do, it keeps its
session over lost connections, sends setWatches first on a new one, and pings.
"""

import json
import pathlib
import random
import select
import socket
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "differential"))

import wire  # noqa: E402

ANYONE = [[31, "world", "anyone"]]
ROOT, REGISTERS, DOORS, OWNED = "/chaos", 8, 5, 4
SESSION_MS, CONNECT_SECONDS, PIPELINED = 6000, 1.0, 4
BULK, BULK_NODES, BULK_BYTES = "/bulk", 500, 4000
EPHEMERAL, SEQUENTIAL = 1, 2
EXPIRED = -112
TOUCH_SECONDS = 0.5  # a learner tells the leader of its clients once a tick at least
NO_NODE = -101


class Plain:
    """wire.py asks its caller to translate zxids; here they are what they are."""

    @staticmethod
    def raw_zxid(zxid):
        return zxid


class Lost(Exception):
    """The connection."""


class TooEarly(Exception):
    """A session expired although its client had been heard of."""


class Recorder:
    """`hosts`: (address, port) of each server. `acknowledged`: shared, the time of the last acknowledged write of anybody."""

    def __init__(self, number, hosts, path, seed, rate, acknowledged):
        self.number, self.hosts, self.rng, self.rate = number, hosts, random.Random(f"{seed}/{number}"), rate
        self.acknowledged = acknowledged
        self.file = open(path, "w", buffering=1 << 16)
        self.last_moment, self.socket, self.input = 0, None, b""
        self.sessions, self.xid, self.pending = 0, 0, []
        self.last_heard, self.last_ping = 0.0, 0.0
        self.pings = []          # when each was sent that waits for its answer
        self.last_contact = 0.0  # when it sent the last request that was answered
        self.late_contact = 0.0  # the last of them that came after so long a silence that its session was about to expire
        self.forget_session()

    def forget_session(self):
        self.session, self.password, self.zxid, self.timeout = 0, bytes(16), 0, SESSION_MS / 1000
        self.watches = {"data": set(), "exist": set(), "child": set()}
        self.mine = []  # sequential nodes to delete again
        self.versions = {}

    # -- what is written down

    def moment(self):
        self.last_moment = max(self.last_moment + 1, time.monotonic_ns())
        return self.last_moment

    def note(self, line):
        self.file.write(json.dumps(line) + "\n")

    def note_session(self, event):
        self.note({"event": event, "client": self.number, "session": self.session, "at": self.moment()})

    # -- the connection

    def connect(self):
        """To some server, with the session it has or a new one."""
        host, began = self.rng.choice(self.hosts), time.monotonic()
        try:
            self.socket = socket.create_connection(host, timeout=CONNECT_SECONDS)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.sendall(wire.connect_request(self.zxid, SESSION_MS, self.session, self.password))
            self.input = b""
            reply = wire.connect_reply(self.frame_within(self.timeout / 2))
        except (OSError, Lost, wire.Malformed):
            self.close()
            return False
        if reply.sid == 0 or reply.timeout <= 0:
            self.note_session("expired")
            silent, since_late = (time.monotonic() - moment for moment in (self.last_contact, self.late_contact))
            if silent < self.timeout - TOUCH_SECONDS and since_late > 2 * TOUCH_SECONDS:
                raise TooEarly(f"client {self.number}: session {self.session:#x} with a timeout of {self.timeout} s has expired {silent:.2f} s after "
                               "it sent what a server then answered")
            self.forget_session()
            self.close()
            return False
        is_new, self.session, self.password, self.timeout = self.session == 0, reply.sid, reply.password, reply.timeout / 1000
        self.note_session("opened" if is_new else "reconnected")
        if is_new:
            self.sessions += 1
        self.last_heard = self.last_ping = time.monotonic()
        self.last_contact, self.pings = began, []
        if any(self.watches.values()):
            self.transmit({"op": "setWatches", "since": self.zxid, "data_paths": sorted(self.watches["data"]),
                           "exist_paths": sorted(self.watches["exist"]), "child_paths": sorted(self.watches["child"])}, -8)
        return True

    def frame_within(self, seconds):
        deadline = time.monotonic() + seconds
        while True:
            frame = self.take_frame()
            if frame is not None:
                return frame
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            self.receive()

    def take_frame(self):
        if len(self.input) < 4:
            return None
        size = int.from_bytes(self.input[:4], "big")
        if len(self.input) < 4 + size:
            return None
        frame, self.input = self.input[4:4 + size], self.input[4 + size:]
        return frame

    def receive(self):
        try:
            chunk = self.socket.recv(1 << 16)
        except OSError as e:
            raise Lost() from e
        if not chunk:
            raise Lost()
        self.input += chunk

    def transmit(self, op, xid):
        try:
            self.socket.settimeout(2.0)
            self.socket.sendall(wire.frame(op, xid, Plain))
        except OSError as e:
            raise Lost() from e

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket = None

    def lose(self):
        """Whoever waited for a reply will never know."""
        self.close()
        for _, line, _ in self.pending:
            self.note({**line, "outcome": "unknown"})
        self.pending = []
        self.note_session("lost")

    # -- requests

    def request(self, op, line):
        """`line`: how the history tells it."""
        self.xid += 1
        line = {**line, "client": self.number, "session": self.session, "xid": self.xid, "invoked": self.moment()}
        self.pending.append((op, line, self.xid))
        self.transmit(op, self.xid)

    def value(self):
        return f"{self.session:x}.{self.xid + 1}"

    def read(self, op, path, watch=False):
        line = {"op": "getChildren" if op == "getChildren2" else op, "path": path}
        if watch:
            line["watch"] = True
        self.request({"op": op, "path": path, "watch": watch}, line)

    def sync(self):
        self.request({"op": "sync", "path": ROOT}, {"op": "sync", "path": ROOT})

    def create(self, path, flags=0):
        line = {"op": "create", "path": path, "value": self.value()}
        if flags & EPHEMERAL:
            line["ephemeral"] = True
        if flags & SEQUENTIAL:
            line["sequential"] = True
        self.request(self.create_op(path, line["value"], flags), line)

    @staticmethod
    def create_op(path, value, flags):
        return {"op": "create2", "path": path, "data": value, "acl": ANYONE, "flags": flags}

    def delete(self, path, version=-1):
        self.request({"op": "delete", "path": path, "version": version}, {"op": "delete", "path": path, "version": version})

    def set_data(self, path, version=-1):
        value = self.value()
        self.request({"op": "setData", "path": path, "data": value, "version": version},
                     {"op": "setData", "path": path, "value": value, "version": version})

    def multi(self):
        register, door = self.register(), self.door()
        version = self.versions.get(register, 0) if self.rng.random() < 0.3 else -1
        ops = [{"op": "setData", "path": register, "data": self.value() + "a", "version": version}]
        parts = [{"op": "setData", "path": register, "value": self.value() + "a", "version": version}]
        if self.rng.random() < 0.5:
            ops.append(self.create_op(door, self.value() + "b", 0))
            parts.append({"op": "create", "path": door, "value": self.value() + "b"})
        else:
            ops.append({"op": "delete", "path": door, "version": -1})
            parts.append({"op": "delete", "path": door, "version": -1})
        self.request({"op": "multi", "ops": ops}, {"op": "multi", "parts": parts})

    def register(self):
        return f"{ROOT}/r{self.rng.randrange(REGISTERS)}"

    def door(self):
        return f"{ROOT}/d/{self.rng.randrange(DOORS)}"

    def owned(self):
        return f"{ROOT}/e/{self.rng.randrange(OWNED)}"

    def one(self):
        """One of many things to do."""
        watch = self.rng.random() < 0.3
        dice = self.rng.random() * 100
        if dice < 22:
            path = self.register()
            self.set_data(path, self.versions.get(path, 0) if self.rng.random() < 0.3 else -1)
        elif dice < 42:
            self.read("getData", self.register(), watch)
        elif dice < 48:
            self.sync()
            self.read("getData", self.register())
        elif dice < 55:
            self.read("exists", self.door(), watch)
        elif dice < 63:
            self.create(self.door())
        elif dice < 70:
            self.delete(self.door())
        elif dice < 75:
            self.create(self.owned(), EPHEMERAL)
        elif dice < 77:
            self.delete(self.owned())
        elif dice < 80:
            self.read("exists", self.owned(), watch)
        elif dice < 87:
            self.create(f"{ROOT}/q/n-", SEQUENTIAL | (EPHEMERAL if self.rng.random() < 0.5 else 0))
        elif dice < 91 and self.mine:
            self.delete(self.mine.pop(0))
        elif dice < 95:
            self.read("getChildren", f"{ROOT}/{self.rng.choice('de')}", watch)
        else:
            self.multi()

    # -- replies

    def contacted(self, at):
        """It sent then what is answered now; the leader may have given the session up before it hears of that."""
        if at - self.last_contact > self.timeout - TOUCH_SECONDS:
            self.late_contact = at
        self.last_contact = max(self.last_contact, at)

    def take(self, frame):
        self.last_heard = time.monotonic()
        xid, zxid, err = wire._header.unpack_from(frame)
        if xid == -1:
            return self.take_event(frame)
        if xid < 0:
            if xid == -2:
                self.contacted(self.pings.pop(0))
            return None
        at = next((at for at, (_, _, asked) in enumerate(self.pending) if asked == xid), None)
        if at is None:
            raise wire.Malformed(f"client {self.number}: a reply to {xid}, which waits for none: {[asked for _, _, asked in self.pending]}")
        op, line, _ = self.pending.pop(at)  # not the oldest? The checker will say so
        self.contacted(line["invoked"] / 1e9)
        self.zxid = max(self.zxid, zxid)
        line = {**line, "completed": self.moment(), "zxid": zxid}
        result = wire.decode(op, err, frame[16:])
        if op["op"] == "multi" and err == 0:
            err = self.take_multi(line, result)
        elif err != 0 and op["op"] == "multi":
            self.take_multi(line, result)
        line["outcome"] = "ok" if err == 0 else "error"
        if err != 0:
            line["error"] = err
        elif op["op"] != "multi":
            self.take_result(line, result)
        self.note(line)
        self.after(line, err)

    @staticmethod
    def take_multi(line, results):
        """The error of the first part that was refused, 0 if none was."""
        line["parts"] = [dict(part) for part in line["parts"]]
        for number, (part, result) in enumerate(zip(line["parts"], results)):
            if result[0] == "error" and result[2] not in (0, -2):
                line["failed_part"] = number
                return result[2]
            if result[0] == 15:
                part["created"], part["stat"] = result[2], list(result[3])
            elif result[0] == 5:
                part["stat"] = list(result[2])
        if any(result[0] == "error" for result in results):
            raise wire.Malformed(f"a multi refused without a reason: {results}")
        return 0

    @staticmethod
    def take_result(line, result):
        kind = line["op"]
        if kind == "create":
            line["created"], line["stat"] = result[0], list(result[1])
        elif kind in ("setData", "exists"):
            line["stat"] = list(result[0])
        elif kind == "getData":
            line["data"], line["stat"] = (result[0] or b"").decode(), list(result[1])
        elif kind == "getChildren":
            line["children"] = result[0]

    def after(self, line, err):
        """What the client remembers of it."""
        kind, path = line["op"], line.get("path")
        if err == EXPIRED:
            raise Lost()
        if err == 0 and kind in ("create", "delete", "setData", "multi"):
            with self.acknowledged.get_lock():
                self.acknowledged.value = time.monotonic()
        if line.get("watch") and (err == 0 or (err == NO_NODE and kind == "exists")):
            self.watches["child" if kind == "getChildren" else "exist" if err else "data"].add(path)
        if err == 0 and "stat" in line:
            self.versions[path] = line["stat"][4]
        if err == 0 and line.get("sequential"):
            self.mine.append(line["created"])

    def take_event(self, frame):
        r = wire.Reader(frame, 16)
        kind, _, path = r.int(), r.int(), r.text()
        zxid = wire._header.unpack_from(frame)[1]
        self.note({"event": "watch", "client": self.number, "session": self.session, "type": kind, "path": path, "zxid": zxid, "at": self.moment()})
        for watches in ({1: ("data", "exist"), 3: ("data", "exist"), 2: ("data", "exist", "child"), 4: ("child",)}[kind]):
            self.watches[watches].discard(path)

    # -- life

    def run(self, should_stop):
        next_at = time.monotonic()
        while not should_stop():
            try:
                if self.socket is None and not self.connect():
                    time.sleep(0.1 + self.rng.random() * 0.2)
                    continue
                now = time.monotonic()
                if now >= next_at and len(self.pending) < PIPELINED:
                    self.one()
                    next_at = max(next_at, now - 0.5) + self.rng.expovariate(self.rate)
                self.serve(min(0.05, max(0.0, next_at - time.monotonic())) if len(self.pending) < PIPELINED else 0.05)
            except Lost:
                self.lose()
        self.finish()

    def serve(self, seconds):
        """Replies and events for so long at most, and what keeps the session alive."""
        now = time.monotonic()
        if now - self.last_heard > self.timeout * 2 / 3:
            raise Lost()
        if now - self.last_ping > self.timeout / 3:
            self.last_ping = now
            self.pings.append(now)
            self.transmit({"op": "ping"}, -2)
        if select.select([self.socket], [], [], seconds)[0]:
            self.receive()
            while (frame := self.take_frame()) is not None:
                self.take(frame)

    def finish(self):
        """Hears out what it asked, and closes its session."""
        deadline = time.monotonic() + 20
        is_asked = False
        while time.monotonic() < deadline and not (is_asked and not self.pending):
            try:
                if self.socket is None:
                    if not self.connect():
                        time.sleep(0.1)
                        continue
                    is_asked = False
                if not is_asked:
                    self.request({"op": "closeSession"}, {"op": "closeSession"})
                    is_asked = True
                self.serve(0.05)
            except Lost:
                self.lose()
        self.close()
        self.note_session("closed")
        self.file.close()


def set_up(hosts, path, acknowledged):
    """The nodes that the clients share, as the history's beginning; and bulk that nobody judges, so that snapshots take their time."""
    recorder = Recorder(0, hosts, path, 0, 1, acknowledged)
    while not recorder.connect():
        time.sleep(0.1)
    for node in [ROOT, *(f"{ROOT}/{name}" for name in "deq"), *(f"{ROOT}/r{i}" for i in range(REGISTERS))]:
        recorder.create(node)
        while recorder.pending:
            recorder.serve(0.05)
    bulk = Recorder(0, hosts, "/dev/null", 0, 1, acknowledged)
    while not bulk.connect():
        time.sleep(0.1)
    bulk.create(BULK)
    for number in range(BULK_NODES):
        bulk.request(bulk.create_op(f"{BULK}/{number}", "x" * BULK_BYTES, 0), {"op": "create"})
        while len(bulk.pending) > 50 or (bulk.pending and number == BULK_NODES - 1):
            bulk.serve(0.05)
    bulk.finish()
    recorder.finish()


def nodes_below(host, path):
    """The whole tree of one server below `path`, after a sync: {path: (data, stat)}, and the zxid it is of."""
    connection = wire.Connection.__new__(wire.Connection)
    connection.socket, connection.pending = socket.create_connection(host, timeout=10), b""
    connection.send(wire.connect_request(0, SESSION_MS, 0, bytes(16)))
    wire.connect_reply(connection.read_frame())
    counter = [0]

    def ask(op):
        counter[0] += 1
        connection.send(wire.frame(op, counter[0], Plain))
        reply = connection.next()
        return reply.zxid, reply.err, wire.decode(op, reply.err, reply.body)

    zxid, nodes, todo = ask({"op": "sync", "path": path})[0], {}, [path]
    while todo:
        node = todo.pop()
        zxid, err, result = ask({"op": "getData", "path": node})
        if err == 0:
            nodes[node] = ((result[0] or b"").decode("latin-1"), result[1])
            todo += [f"{node}/{name}" for name in ask({"op": "getChildren", "path": node})[2][0]]
    ask({"op": "closeSession"})
    connection.close()
    return nodes, zxid

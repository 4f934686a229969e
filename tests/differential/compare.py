"""Runs operations on both servers and compares everything that comes back.

Every connection is one ordered stream of events and replies on each side. A reply is compared with its twin; the events
before it must be exactly those the model says are due, in order (those of a closing session in any order). So nothing
depends on when an event happens to arrive.
"""

import struct
import time
from collections import deque

import allowed
import wire
from model import FLAVOURS
from wire import CREATES, Closed, Event, Malformed, Stat

CLOSE_SECONDS = 10


class Mismatch(Exception):
    pass


def java_password(sid):
    """Section 3.2."""
    mask, seed, out = (1 << 48) - 1, (sid ^ 0xB3415C00 ^ 0x5DEECE66D) & ((1 << 48) - 1), b""
    for _ in range(4):
        seed = (seed * 0x5DEECE66D + 11) & mask
        out += struct.pack("<I", (seed >> 16) & 0xFFFFFFFF)
    return out


class Runner:
    def __init__(self, sides, model, coverage):
        self.sides, self.model, self.coverage = sides, model, coverage
        self.flavours = tuple(s.flavour for s in sides)
        self.allowed = allowed.Allowed()
        self.done = 0
        self.history = [deque(maxlen=20) for _ in model.slots]
        self.transcript = []
        self.early = [{} for _ in sides]  # events read ahead while polling: slot -> list

    # --- top level: one step of the script ---

    def run(self, step):
        """A step: {"slot": n, "ops": [...]} (a pipelined burst) or {"do": ..., ...} (connections and servers)."""
        self.transcript.append(step)
        if "do" not in step:
            self._burst(step["slot"], step["ops"])
        else:
            getattr(self, "_do_" + step["do"])(step)

    # --- requests ---

    def _burst(self, number, ops):
        slot = self.model.slots[number]
        xids = []
        for op in ops:
            slot.xid += 1
            xids.append(op.get("xid", wire.FIXED_XID.get(op["op"], slot.xid)))
        for side in self.sides:
            side.connections[number].send(b"".join(wire.frame(op, xid, side) for op, xid in zip(ops, xids)))
        for op, xid in zip(ops, xids):
            streams = [self._until_reply(i, number, op) for i in range(2)]
            self._answered(number, op, xid, streams)
            self.done += 1
            if not slot.up:
                break

    def _until_reply(self, i, number, op):
        side, events = self.sides[i], self.early[i].pop(number, [])
        try:
            while True:
                frame = side.connections[number].next()
                if not isinstance(frame, Event):
                    return events, frame
                events.append(frame)
        except Closed:
            side.server.check()
            raise Mismatch(f"side {side.name} closed the connection instead of answering {describe(op)} (after events {events})")
        except TimeoutError:
            side.server.check()
            raise Mismatch(f"side {side.name} does not answer {describe(op)} (after events {events})")

    def _answered(self, number, op, xid, streams):
        replies = [reply for _, reply in streams]
        self.history[number].append((self.done, op, replies))
        spends = [allowed.zxids_spent(op, s.flavour, r) for s, r in zip(self.sides, replies)]
        if any(n is None or n for n in spends):
            self.model.position += 1
        for side, reply, spent in zip(self.sides, replies, spends):
            if spent is None:
                spent = int(reply.zxid != side.zxid)
                self.allowed.hit(allowed.MALFORMED_ZXID)
            side.advance(spent, self.model.position)
            self._check_header(side, op, xid, reply)
        values = [self._decode(side, op, reply) for side, reply in zip(self.sides, replies)]
        self._compare(number, op, replies, values)
        self._count(op, replies[1], values[1])
        self._learn(number, op, replies, values)
        due, self.model.slots[number].due = self.model.slots[number].due, {f: [] for f in FLAVOURS}
        for side, (events, _) in zip(self.sides, streams):
            self._check_events(side, events, due[side.flavour])
        self._count_event_rows(*(due[f] for f in self.flavours))
        self._closes(number, op, replies)

    def _check_header(self, side, op, xid, reply):
        name = op["op"]
        zxid = 0 if name in ("auth", "sasl") or reply.err == -124 else side.zxid
        if reply.err == -6 and name not in wire.WRITES:
            zxid = -1
        if reply.xid != (-2 if name == "ping" and reply.err == 0 else xid):
            raise Mismatch(f"side {side.name}: xid {reply.xid} for {xid} of {describe(op)}")
        if reply.zxid != zxid:
            raise Mismatch(f"side {side.name}: header zxid {reply.zxid:#x}, must be {zxid:#x}, for {describe(op)} err {reply.err}")

    def _decode(self, side, op, reply):
        try:
            return self._canonical(side, wire.decode(op, reply.err, reply.body))
        except (Malformed, UnicodeDecodeError) as e:
            raise Mismatch(f"side {side.name}: body of {describe(op)} err {reply.err} does not parse: {e}; {reply.body[:200].hex()}")

    def _canonical(self, side, value):
        if isinstance(value, Stat):
            return self._canonical_stat(side, value)
        if isinstance(value, (tuple, list)):
            return tuple(self._canonical(side, v) for v in value)
        return value

    def _canonical_stat(self, side, stat):
        """zxids as positions, the owner as an ordinal; times must be the transaction's, whatever they are."""
        try:
            czxid, mzxid, pzxid = (side.position_of[z] for z in (stat.czxid, stat.mzxid, stat.pzxid))
            owner = side.ordinal_of[stat.owner]
        except KeyError as e:
            raise Mismatch(f"side {side.name}: a zxid or session id {e.args[0]:#x} that was never given out, in {stat}")
        for position, at in ((czxid, stat.ctime), (mzxid, stat.mtime)):
            known = side.time_of.setdefault(position, at)
            if known != at or (at != 0 and abs(time.time() * 1000 - at) > 3_600_000):
                raise Mismatch(f"side {side.name}: time {at} in {stat}, the transaction's is {known}")
        return stat._replace(czxid=czxid, mzxid=mzxid, pzxid=pzxid, owner=owner, ctime=0, mtime=0)

    def _compare(self, number, op, replies, values):
        a, b = replies
        for side, reply, value in zip(self.sides, replies, values):
            if not allowed.expected_shape(op, reply, value, side.flavour):
                raise Mismatch(f"side {side.name} ({side.flavour}): results of the wrong type: {describe(op)}: {value}")
            must = allowed.expected_error(op, number, self.model, side.flavour)
            if must is not None and reply.err not in (must, -124):
                raise Mismatch(f"side {side.name} ({side.flavour}) answers {reply.err}, must be {must}: {describe(op)}")
        if a.err == b.err and values[0] == values[1]:
            return
        if not self.allowed.row_for(allowed.Case(op, number, a, b, tuple(values), self.model, self.flavours)):
            raise Mismatch(f"answers differ: {describe(op)}\n  A: err {a.err} {values[0]}\n  B: err {b.err} {values[1]}")

    def _count(self, op, reply, value):
        name, count = op["op"], self.coverage.count
        count(name, reply.err)
        if name in ("multi", "multiRead") and reply.err == 0:
            failed = False
            for sub, result in zip(op["ops"], value):
                if result[0] != "error":
                    count(f"{name}.{sub['op']}", 0)
                elif name == "multiRead" or result[1] not in (0, -2):
                    count(f"{name}.{sub['op']}", result[1])
                    failed = True
                else:
                    count("multi.after" if failed else "multi.before", result[1])
        if name in wire.WRITES:
            self.coverage.count_write(succeeded(op, reply, value))

    def _learn(self, number, op, replies, values):
        """Both servers agree (or a row explains); the model follows the history they share."""
        name, model = op["op"], self.model
        if name in wire.WRITES:
            if succeeded(op, replies[0], values[0]):
                self._apply(number, op, values[0])
        elif name == "closeSession" and replies[0].err == 0:
            model.close_session(model.slots[number].session)
        elif name == "auth" and replies[0].err == 0:
            model.authenticate(number, op["scheme"], op["auth"])
        elif name == "exists" and op.get("watch"):
            for side in self.sides:
                reply = replies[self.sides.index(side)]
                if reply.err in (0, -101):
                    self._watch(number, "data", op["path"], side.flavour)
        elif name in ("getData", "getChildren", "getChildren2") and op.get("watch") and replies[0].err == 0:
            for flavour in FLAVOURS:
                self._watch(number, "data" if name == "getData" else "child", op["path"], flavour)
        elif name == "addWatch" and replies[0].err == 0:
            model.add_watch(number, op["path"], op["mode"])
        elif name == "removeWatches":
            for flavour in FLAVOURS:
                model.tables[flavour].remove(op["path"], number, op["type"])
        elif name in ("setWatches", "setWatches2") and replies[0].err == 0:
            model.set_watches(number, op)

    def _watch(self, number, table, path, flavour):
        if flavour not in self.flavours:
            return
        self.model.watch(number, table, path, [flavour])

    def _apply(self, number, op, value):
        name, model = op["op"], self.model
        if name == "multi":
            for sub, result in zip(op["ops"], value):
                self._apply(number, sub, result[2:])
        elif name in CREATES:
            ephemeral = name != "createContainer" and op["flags"] in (1, 3)  # createTTL: only inside a multi (section 11)
            model.create(number, value[0], op["acl"], ephemeral, len(op["data"] or ""))
        elif name == "delete":
            model.delete(op["path"])
        elif name == "setData":
            model.set_data(op["path"], len(op["data"] or ""))
        elif name == "setACL":
            model.set_acl(number, op["path"], op["acl"])

    # --- events ---

    def _check_events(self, side, events, due):
        at = 0
        while at < len(due):
            end = at + 1
            while end < len(due) and due[at].group and due[end].group == due[at].group:
                end += 1
            got = [(e.type, e.path) for e in events[at:end]]
            if sorted(got) != sorted((d.kind, d.path) for d in due[at:end]):
                break
            at = end
        if at < len(due) or len(events) != len(due):
            raise Mismatch(f"side {side.name} ({side.flavour}) events before the reply, from number {at}:\n"
                           f"  got     {[tuple(e) for e in events[at:]]}\n  must be {due[at:]}")
        for event, expected in zip(events, due):
            self._check_event_frame(side, event, expected)

    def _check_event_frame(self, side, event, expected):
        zxid = -1 if side.flavour == "3.8" or expected.position < 0 else side.zxid_at[expected.position]
        if event.zxid != zxid or event.state != 3:
            raise Mismatch(f"side {side.name}: event {event} must have zxid {zxid:#x} and state 3")

    def _count_event_rows(self, due_a, due_b):
        if due_a is due_b:
            return
        if [(d.kind, d.path) for d in due_b] != [(d.kind, d.path) for d in due_a]:
            self.allowed.hit(allowed.EVENT_MODES)
        if any(d.position >= 0 for d in due_b):
            self.allowed.hit(allowed.EVENT_ZXID)

    # --- ends of connections ---

    def _closes(self, number, op, replies):
        closing = [op["op"] == "closeSession" or r.err in (-115, -124) or r.zxid == -1 for r in replies]
        if not any(closing):
            return
        for side, closes in zip(self.sides, closing):
            if closes:
                self._expect_end(side, side.connections[number], describe(op))
        if op["op"] == "closeSession" and replies[0].err == 0:
            self.model.slots[number].session = 0
        self._disconnect(number)

    def _expect_end(self, side, connection, why):
        """The server closes; events may still come before (they are not compared: their connection is gone)."""
        try:
            connection.socket.settimeout(CLOSE_SECONDS)
            while True:
                frame = connection.next()
                if not isinstance(frame, Event):
                    raise Mismatch(f"side {side.name}: {frame} instead of the end of the connection after {why}")
        except Closed:
            return
        except TimeoutError:
            side.server.check()
            raise Mismatch(f"side {side.name} keeps the connection open after {why}")

    def _disconnect(self, number):
        for i, side in enumerate(self.sides):
            side.connections.pop(number).close()
            self.early[i].pop(number, None)
        self.model.disconnect(number)

    def _do_drop(self, step):
        self._disconnect(step["slot"])

    # --- connecting ---

    def _connect_both(self, request):
        """Sends request(side) on a fresh connection to each; [(connection, reply or None if closed)]."""
        opened = []
        for side in self.sides:
            connection = wire.Connection(side.server.port)
            connection.send(request(side))
            opened.append(connection)
        results = []
        for side, connection in zip(self.sides, opened):
            try:
                results.append((connection, wire.connect_reply(connection.read_frame())))
            except Closed:
                side.server.check()
                results.append((connection, None))
            except TimeoutError:
                side.server.check()
                raise Mismatch(f"side {side.name} does not answer a connect")
        return results

    def _same_connect(self, step, results):
        a, b = (r for _, r in results)
        plain = [r and (r.version, r.timeout, r.read_only, r.sid != 0) for r in (a, b)]
        if plain[0] != plain[1]:
            raise Mismatch(f"connect answers differ: {step}\n  A: {a}\n  B: {b}")
        return a

    def _do_open(self, step):
        """A new session."""
        number, model = step["slot"], self.model
        password = bytes.fromhex(step.get("password", "00" * 16)) if step.get("password", "") is not None else None
        results = self._connect_both(lambda side: wire.connect_request(0, step["timeout"], 0, password, step.get("read_only", False), step.get("version", 0)))
        if not self._same_connect(step, results):
            raise Mismatch(f"a new session is refused: {step}")
        model.position += 1
        model.session_count += 1
        for side, (connection, reply) in zip(self.sides, results):
            side.advance(1, model.position)
            if reply.sid in side.ordinal_of or reply.password != java_password(reply.sid):
                raise Mismatch(f"side {side.name}: session {reply.sid:#x} is not new or its password {reply.password.hex()} is not Java's")
            side.ordinal_of[reply.sid] = model.session_count
            side.sessions[model.session_count] = (reply.sid, reply.password)
            side.connections[number] = connection
        model.connect(number, model.session_count)
        self.coverage.count("open", "accepted")

    def _do_resume(self, step):
        """The slot's session on a new connection, perhaps while the old one is alive (which then ends)."""
        number, model = step["slot"], self.model
        session, was_up = model.slots[number].session, model.slots[number].up
        results = self._connect_both(lambda side: wire.connect_request(
            side.raw_zxid(step.get("since", 0)), step["timeout"], *side.sessions[session], step.get("read_only", False)))
        reply = self._same_connect(step, results)
        if not reply or not reply.sid:
            raise Mismatch(f"a live session cannot resume: {step}: {reply}")
        for side, (_, answer) in zip(self.sides, results):
            if (answer.sid, answer.password) != side.sessions[session]:
                raise Mismatch(f"side {side.name}: resumed {side.sessions[session]} as {answer}")
            if was_up:
                self._expect_end(side, side.connections[number], "its session moved to a new connection")
        if was_up:
            self._disconnect(number)
        for side, (connection, _) in zip(self.sides, results):
            side.connections[number] = connection
        model.connect(number, session)
        self.coverage.count("resume", "accepted")

    def _do_bad_password(self, step):
        number, slot = step["slot"], self.model.slots[step["slot"]]
        results = self._connect_both(lambda side: wire.connect_request(0, 10_000, side.sessions[slot.session][0], bytes.fromhex(step["password"])))
        self._refused(step, results)
        if not slot.up:
            return
        for side in self.sides:
            connection = side.connections[number]
            if side.flavour == "3.8":
                self._expect_end(side, connection, "a connect with a wrong password")
                continue
            connection.send(wire.frame({"op": "ping"}, -2, side))
            try:
                while isinstance(connection.next(), Event):
                    pass
            except (Closed, TimeoutError):
                raise Mismatch(f"side {side.name}: a wrong password ended the live connection of its session")
            self.allowed.hit(allowed.PASSWORD_PROBE)
        self._disconnect(number)

    def _do_bare_check(self, step):
        """Opcode 13 outside a multi: only the target is asked."""
        number, op = step["slot"], step["ops"][0]
        for side in self.sides:
            if side.flavour == "3.8":
                continue
            connection = side.connections[number]
            connection.send(wire.frame(op, 5, side))
            try:
                while isinstance(reply := connection.next(), Event):
                    pass
            except (Closed, TimeoutError):
                raise Mismatch(f"side {side.name} does not answer a bare check")
            if (reply.xid, reply.zxid, reply.err) not in ((5, -1, -6), (5, 0, -124)):
                raise Mismatch(f"side {side.name}: {reply} to a bare check {describe(op)}")
            self._expect_end(side, connection, "a bare check")
            self.allowed.hit(allowed.BARE_CHECK)
            self.coverage.count("bare_check", "refused" if reply.err == -6 else -124)
        self._disconnect(number)

    def _do_bad_session(self, step):
        self._refused(step, self._connect_both(lambda side: wire.connect_request(0, 10_000, int(step["sid"], 16), bytes.fromhex(step["password"]))))

    def _refused(self, step, results):
        reply = self._same_connect(step, results)
        if reply is None or reply.sid or reply.timeout or any(r.password != b"\0" * 16 for _, r in results):
            raise Mismatch(f"a session is not refused: {step}: {results}")
        self._all_end(step, results)
        self.coverage.count(step["do"], "refused")

    def _all_end(self, step, results):
        for side, (connection, _) in zip(self.sides, results):
            self._expect_end(side, connection, str(step))
            connection.close()

    def _do_future_zxid(self, step):
        results = self._connect_both(lambda side: wire.connect_request(side.zxid + step["ahead"], 10_000, 0, b"\0" * 16))
        self._unanswered(step, results)

    def _do_bad_connect(self, step):
        self._unanswered(step, self._connect_both(lambda side: bytes.fromhex(step["hex"])))

    def _unanswered(self, step, results):
        if any(reply for _, reply in results):
            raise Mismatch(f"must be closed without an answer: {step}: {results}")
        for connection, _ in results:
            connection.close()
        self.coverage.count(step["do"], "closed")

    def _do_bad_frame(self, step):
        """Bytes on the slot's live connection that must end it."""
        number = step["slot"]
        for side in self.sides:
            side.connections[number].send(bytes.fromhex(step["hex"]))
        for side in self.sides:
            self._expect_end(side, side.connections[number], str(step))
        self._disconnect(number)
        self.coverage.count("bad_frame", "closed")

    # --- servers and time ---

    def _do_servers(self, step):
        """Both servers (again) with a configuration, on the same directories or on fresh ones."""
        for i, side in enumerate(self.sides):
            side.drop_connections()
            self.early[i].clear()
            side.server.stop()
            if step["fresh"]:
                side.server.wipe()
                side.forget()
            side.server.start(step["config"], step["properties"])
        for side in self.sides:
            side.server.wait_ready()
        if step["fresh"]:
            self.model.forget()
        else:
            self.model.reset_connections()

    def _do_await_gone(self, step):
        """Waits until `path` is gone on both: reaped by the server, or with its expired session (an ordinal)."""
        for i, side in enumerate(self.sides):
            self._poll_gone(i, side, step)
        self.model.position += 1
        for side in self.sides:
            side.advance(1, self.model.position)
        if step["session"]:
            self.model.close_session(step["session"])
            for slot in self.model.slots:
                if slot.session == step["session"]:
                    slot.session = 0
        else:
            self.model.delete(step["path"])
        self.coverage.count("await_gone", "expired" if step["session"] else "reaped")

    def _poll_gone(self, i, side, step):
        connection, deadline = side.connections[step["slot"]], time.monotonic() + step["seconds"]
        probe = {"op": "getData", "path": step["path"]}
        while time.monotonic() < deadline:
            connection.send(wire.frame(probe, 0, side))
            while isinstance(frame := connection.next(), Event):
                self.early[i].setdefault(step["slot"], []).append(frame)
            if frame.err == -101:
                return
            time.sleep(0.05)
        raise Mismatch(f"side {side.name}: {step['path']} is still there after {step['seconds']} s")

    def quiet(self):
        """All connections answer a ping: every event that is due has come, none beyond."""
        for number, slot in enumerate(self.model.slots):
            if slot.up:
                self.run({"slot": number, "ops": [{"op": "ping"}]})


def succeeded(op, reply, value):
    return reply.err == 0 and not (op["op"] == "multi" and any(v[0] == "error" for v in value))


def describe(op):
    return str({k: v for k, v in op.items()})

"""Looks at a server that came back after a crash and says what is missing and what was invented."""

import re

import wire
from model import State

OTHERS = ("/zookeeper", "/after")  # not the load's


def observe(port):
    """{path: (data, stat)} of all nodes but the server's own."""
    connection = wire.Connection(port, timeout=30)
    try:
        connection.send(wire.connect_request(0, 10000, 0, b"\0" * 16))
        wire.connect_reply(connection.read_frame())
        tree, level = {}, ["/"]
        while level:
            data = ask(connection, [{"op": "getData", "path": path} for path in level])
            tree.update({path: reply for path, reply in zip(level, data) if path != "/"})
            parents = [path for path, (_, stat) in zip(level, data) if stat.children]
            lists = ask(connection, [{"op": "getChildren", "path": path} for path in parents])
            level = [f"{parent.rstrip('/')}/{name}" for parent, (names,) in zip(parents, lists) for name in names]
            level = [path for path in level if path not in OTHERS]
        ask(connection, [{"op": "closeSession"}])
        return tree
    finally:
        connection.close()


def ask(connection, ops):
    answers = []
    for at in range(0, len(ops), 200):
        some = ops[at:at + 200]
        connection.send(b"".join(wire.frame(op, number, None) for number, op in enumerate(some)))
        for op in some:
            reply = connection.next()
            if reply.err:
                raise wire.Malformed(f"{op} was answered with error {reply.err}")
            answers.append(wire.decode(op, 0, reply.body))
    return answers


class Verdict:
    def __init__(self):
        self.acknowledged = self.lost = 0
        self.faults = []        # texts
        self.happened = {}      # slot -> numbers of the requests whose effect is there

    def fault(self, text):
        self.faults.append(text)


def judge(tree, histories, instant):
    """`tree` against what the slots had sent and heard at the instant."""
    verdict, shared, of_slot = Verdict(), {}, {history.slot: {} for history in histories}
    for path, (data, stat) in tree.items():
        text = (data or b"").decode("latin-1")
        slot = re.match(r"/s(\d+)(/|$)", path)
        if path.startswith("/all/"):
            shared.setdefault(text, []).append((path, stat))
        elif path == "/all":
            of_slot[0][path] = (text, stat)
        elif slot and int(slot[1]) in of_slot:
            of_slot[int(slot[1])][path] = (text, stat)
        else:
            verdict.fault(f"{path} was never written")
    for history in histories:
        judge_slot(verdict, history, of_slot[history.slot], shared, instant)
    judge_shared(verdict, shared)
    return verdict


def judge_slot(verdict, history, nodes, shared, instant):
    sent, acknowledged = history.before(instant)
    verdict.acknowledged += acknowledged
    prefix = f"{history.slot}."
    mine = {data: found for data, found in shared.items() if data.startswith(prefix)}
    fitting, best = fit(history, sent, acknowledged, len(sent), nodes, mine)
    if fitting is not None:
        verdict.happened[history.slot] = {number for number, _ in sent[:fitting]}
        return
    older, _ = fit(history, sent, 0, acknowledged - 1, nodes, mine)
    if older is not None:
        verdict.lost += acknowledged - older
        verdict.fault(f"slot {history.slot}: {acknowledged - older} acknowledged requests are lost: its nodes are those after "
                      f"{older} requests or more, {acknowledged} were acknowledged, {len(sent)} sent")
    else:
        verdict.lost += 1
        verdict.fault(f"slot {history.slot}: no number of requests explains its nodes ({acknowledged} acknowledged, {len(sent)} sent); "
                      f"beside the acknowledged: " + "; ".join(best[:5]))


def fit(history, sent, least, most, nodes, mine):
    """(the smallest number of requests in the range that explains the nodes, or None; how the first one differs)."""
    state, first = State(), None
    for count in range(most + 1):
        if count:
            number, entry = sent[count - 1]
            state.apply(number, entry.op, entry.session)
        if count < least or (first and (len(state.nodes) != len(nodes) or len(state.shared) != len(mine))):
            continue
        found = differences(history, state, nodes, mine)
        if not found:
            return count, []
        first = first or found
    return None, first or []


def differences(history, state, nodes, mine):
    """Texts; empty if the observed nodes are the state's, to the zxid where that is known."""
    found = []
    for path in state.nodes.keys() | nodes.keys():
        want, have = state.nodes.get(path), nodes.get(path)
        if want is None or have is None:
            found.append(f"{path} is {'missing' if have is None else 'there'}")
            continue
        data, stat = have
        zxid = history.entries[want.entry].zxid
        if (data, stat.version, stat.owner) != (want.data, want.version, want.owner):
            found.append(f"{path} is {data[:40]!r} version {stat.version} of {stat.owner:#x}, not {want.data[:40]!r} {want.version} {want.owner:#x}")
        elif zxid is not None and stat.mzxid != zxid:
            found.append(f"{path} has mzxid {stat.mzxid:#x}, acknowledged as {zxid:#x}")
    for data in state.shared.keys() | mine.keys():
        have, number = mine.get(data, []), state.shared.get(data)
        if number is None or len(have) != 1:
            found.append(f"{data[:40]!r} is {len(have)} times in /all")
        elif history.entries[number].name not in (None, have[0][0]):
            found.append(f"{have[0][0]} was acknowledged as {history.entries[number].name}")
    return found


def judge_shared(verdict, shared):
    """Nothing is ever deleted from /all: a hole in its numbers is a lost write with later ones kept."""
    numbers = sorted(int(path[-10:]) for found in shared.values() for path, _ in found)
    if numbers != list(range(len(numbers))):
        verdict.fault(f"/all has holes: {len(numbers)} nodes, the last is number {numbers[-1]}")
    by_number = sorted((int(path[-10:]), stat.czxid) for found in shared.values() for path, stat in found)
    if any(a[1] > b[1] for a, b in zip(by_number, by_number[1:])):
        verdict.fault("/all: numbers and zxids are not in the same order")
    for data in shared:
        if not re.match(r"\d+\.\d+\.", data):
            verdict.fault(f"/all holds {data[:60]!r}, which nobody wrote")


def judge_sessions(verdict, port, histories, instant):
    """Acknowledged sessions can be moved to a new connection; closed ones cannot."""
    for history in histories:
        for session in history.sessions[-4:]:
            if session["opened"] > instant:
                continue
            closing = [e for e in history.entries if e.op["op"] == "closeSession" and e.session == session["id"]
                       and e.sent < instant and not (e.dropped is not None and e.dropped <= instant)]
            if closing and (closing[0].acked is None or closing[0].acked > instant):
                continue  # either would do
            if is_alive(port, session) == bool(closing):
                verdict.fault(f"slot {history.slot}: session {session['id']:#x} {'was closed and is alive' if closing else 'is lost'}")


def is_alive(port, session):
    connection = wire.Connection(port, timeout=10)
    try:
        connection.send(wire.connect_request(0, session["timeout"], session["id"], bytes.fromhex(session["password"])))
        return wire.connect_reply(connection.read_frame()).sid == session["id"]
    except wire.Closed:
        return False
    finally:
        connection.close()


def judge_log(verdict, text):
    for line in text.splitlines():
        if re.search(r"digest", line, re.I) and re.search(r"match|mismatch|differ|WARN|ERROR|warning|error", line):
            verdict.fault("the server complains about a digest: " + line[:300])
            return

#!/usr/bin/python3
"""The verifier finds nothing in what Java's servers said to each other, and finds each fault that is put there."""

import json
import pathlib
import random
import sys
import unittest

sys.dont_write_bytecode = True  # the source tree stays clean

import verifier
from packets import packet, wire

WIRE = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "zab-wire"
E1, E2 = 1 << 32, 2 << 32
LEARNER, LEADER = True, False


def txn(zxid, kind=5, digest=7, claimed=None, record=None):
    head = wire._long(77) + wire._int(1) + wire._long(zxid if claimed is None else claimed) + wire._long(1000) + wire._int(kind)
    body = record if record is not None else wire._int(-110) if kind == -1 else wire.ustring("/a") + wire.buffer("x") + wire._int(1)
    return head + body + (b"" if digest is None else wire._int(2) + wire._long(digest))


def proposal(zxid, name="PROPOSAL", **what):
    return LEADER, packet(name, zxid, txn(zxid, **what))


def commit(zxid):
    return LEADER, packet("COMMIT", zxid)


def ack(zxid):
    return LEARNER, packet("ACK", zxid)


def greeting(how=("DIFF", E1 + 3), at=E1 + 1, hello="FOLLOWERINFO", promised=1, epoch=2, current=1):
    return [(LEARNER, packet(hello, promised << 32, bytes(20))), (LEADER, packet("LEADERINFO", epoch << 32, bytes(4))),
            (LEARNER, packet("ACKEPOCH", at, wire._int(current))), (LEADER, packet(how[0], how[1]))]


EMPTY_SNAPSHOT = wire._int(0) + wire._int(0) + wire.ustring("/") + wire.ustring("BenWasHere")
HISTORY = [proposal(E1 + 2), commit(E1 + 2), proposal(E1 + 3), commit(E1 + 3)]
NEWLEADER = [(LEADER, packet("NEWLEADER", E2, b"version=0")), ack(E2)]
UPTODATE = [(LEADER, packet("UPTODATE", -1)), ack(E2)]
LIVE = [proposal(E2 + 1), ack(E2 + 1), commit(E2 + 1), (LEADER, packet("PING", E2 + 1)), (LEARNER, packet("PING", E2 + 1, b"")),
        proposal(E2 + 2, kind=-1, digest=None), proposal(E2 + 3), ack(E2 + 2), ack(E2 + 3), commit(E2 + 2), commit(E2 + 3)]
GOOD = greeting() + HISTORY + NEWLEADER + UPTODATE + LIVE
OBSERVER = (greeting(hello="OBSERVERINFO") + HISTORY + NEWLEADER + UPTODATE
            + [proposal(E2 + 1, "INFORM"), proposal(E2 + 2, "INFORM"), (LEADER, packet("INFORMANDACTIVATE", E2 + 3, bytes(8) + txn(E2 + 3)))])
SNAP = greeting(("SNAP", E1 + 3)) + [(LEADER, EMPTY_SNAPSHOT)]
AT = len(greeting())  # where the history begins in GOOD
LIVE_AT = len(GOOD) - len(LIVE)


def rules(chunks, **what):
    return sorted({rule for rule, _ in verifier.verify(chunks, {}, **what).faults})


def changed(at, *instead, of=None, count=1):
    of = GOOD if of is None else of
    return of[:at] + list(instead) + of[at + count:]


FAULTY = {  # rule: conversations that break it, and at least it
    "decode": [changed(LIVE_AT, (LEADER, packet("PROPOSAL", E2 + 1, txn(E2 + 1)[:-5]))), changed(LIVE_AT, (LEADER, bytes(20))),
               changed(LIVE_AT, proposal(E2 + 1, record=b"\x00\x00\x00\x63"))],
    "form": [GOOD + [(LEADER, packet("PING", 0, b""))], GOOD + [(LEARNER, packet("PING", 0))], GOOD + [(LEARNER, packet("COMMIT", E2 + 4))],
             GOOD + [(LEARNER, packet("PING", 0, b"", [("ip", "127.0.0.1")]))]],
    "handshake": [GOOD[1:], changed(2), changed(3), changed(3, (LEADER, packet("PING", E2)), GOOD[3]), GOOD + [GOOD[3]],
                  changed(3, (LEADER, packet("TRUNC", E1 + 5)))],
    "epochs": [greeting(promised=3), greeting(promised=2, current=1), greeting(promised=1, current=-1), greeting(promised=1, current=2),
               greeting(promised=-1, current=0),
               changed(AT + len(HISTORY), (LEADER, packet("NEWLEADER", E1, b""))), changed(AT, proposal(3 << 32 | 1)),
               changed(LIVE_AT, proposal(E1 + 4))],
    "contiguous": [changed(AT, count=2), changed(AT + 2, proposal(E1 + 4), commit(E1 + 4), count=2), changed(LIVE_AT, proposal(E2 + 2)),
                   changed(LIVE_AT, count=3), greeting(("TRUNC", E1), at=E1 + 1) + HISTORY, SNAP + [proposal(E1 + 5)],
                   changed(len(OBSERVER) - 2, of=OBSERVER)],
    "repeat": [changed(LIVE_AT + 6, proposal(E2 + 1)), changed(AT + 2, HISTORY[0]), changed(AT, proposal(E1 + 1)),
               SNAP + [proposal(E1 + 3), proposal(E1 + 3)], changed(len(OBSERVER) - 2, OBSERVER[-3], of=OBSERVER)],
    "commits": [changed(LIVE_AT + 2, commit(E2 + 2)), changed(len(GOOD) - 2, GOOD[-1], GOOD[-2], count=2), GOOD + [commit(E2 + 3)],
                changed(AT, HISTORY[1], HISTORY[0], count=2), changed(AT + 3, of=OBSERVER)],
    "newleader": [greeting() + HISTORY[:3] + NEWLEADER + HISTORY[3:] + UPTODATE],
    "sync": [GOOD + [NEWLEADER[0]], GOOD + [UPTODATE[0]], changed(AT + len(HISTORY) + 1), changed(len(OBSERVER) - 2, proposal(E2 + 2), of=OBSERVER),
             changed(LIVE_AT, proposal(E2 + 1, "INFORM")), changed(AT, (LEADER, packet("PING", E2)), HISTORY[0])],
    "acks": [changed(LIVE_AT + 1), GOOD + [ack(E2)], GOOD + [ack(E2 + 9)], changed(LIVE_AT, ack(E2 + 1), LIVE[0], count=2), GOOD + [ack(E2 + 2)],
             changed(AT + len(HISTORY), NEWLEADER[1], NEWLEADER[0], count=2), OBSERVER + [ack(E1 + 3)],
             changed(AT + len(HISTORY) + 1, (LEARNER, packet("PING", E2, b"")), NEWLEADER[1])],
    "header": [changed(LIVE_AT, proposal(E2 + 1, claimed=E2))],
    "digest": [changed(LIVE_AT, proposal(E2 + 1, digest=None)), changed(LIVE_AT, proposal(E2 + 1, kind=-1)),
               changed(len(OBSERVER) - 2, proposal(E2 + 2, "INFORM", digest=None), of=OBSERVER)],
}


class MadeByHand(unittest.TestCase):
    def test_good_ones_are_good(self):
        snap = SNAP + [proposal(E1 + 3), commit(E1 + 3)] + NEWLEADER + [proposal(E2 + 1)] + UPTODATE + [commit(E2 + 1)]
        trunc = greeting(("TRUNC", E1 + 1), at=E1 + 9) + HISTORY + NEWLEADER + UPTODATE
        wiped = greeting(("SNAP", E1 + 3), at=-1, promised=-1, current=0) + [(LEADER, EMPTY_SNAPSHOT), *NEWLEADER, *UPTODATE]
        for good in (GOOD, OBSERVER, snap, wiped, trunc, greeting(promised=2, current=-1) + HISTORY):
            self.assertEqual(verifier.verify(good, {}).faults, [])

    def test_each_rule_can_fail(self):
        self.assertEqual(sorted([*FAULTY, "agreement"]), sorted(verifier.RULES))
        for rule, conversations in FAULTY.items():
            for number, conversation in enumerate(conversations):
                self.assertIn(rule, rules(conversation), f"{rule} {number}")

    def test_two_connections_agree(self):
        ledger = {}
        self.assertEqual(verifier.verify(GOOD, ledger).faults, [])
        self.assertEqual(verifier.verify(OBSERVER[:-3], ledger).faults, [])
        for other in (proposal(E2 + 1, digest=8), proposal(E2 + 1, record=wire.ustring("/b") + wire.buffer("x") + wire._int(1))):
            faults = verifier.verify(changed(LIVE_AT, other), dict(ledger)).faults
            self.assertEqual({rule for rule, _ in faults}, {"agreement"})

    def test_java_leaders_interleave(self):
        interleaved = FAULTY["newleader"][0]
        self.assertEqual(rules(interleaved, is_our_leader=False), [])
        self.assertEqual(verifier.verify(interleaved, {}).interleaved, 1)

    def test_what_java_does_otherwise(self):
        hasty = changed(AT + len(HISTORY) + 1, ack(E1 + 2), NEWLEADER[1])
        self.assertEqual(rules(hasty), ["acks"])
        self.assertEqual(rules(hasty, is_our_learner=False), [])
        parts = lambda *kinds: wire._int(len(kinds)) + b"".join(wire._int(kind) + wire.buffer(wire._int(9)) for kind in kinds)
        ledger = {}
        for kinds, faults in (((5, -1, -1), 0), ((-1, -1, -1), 0), ((5, -1), 1), ((5, 5, 5), 1)):
            said = verifier.verify(changed(LIVE_AT, proposal(E2 + 1, kind=14, record=parts(*kinds))), ledger).faults
            self.assertEqual([rule for rule, _ in said], ["agreement"] * faults, kinds)

    def test_an_epoch_may_begin_elsewhere_if_told(self):
        later = greeting(at=E1 + 1) + NEWLEADER + UPTODATE + [proposal(E2 + 100)]
        self.assertEqual(rules(later), ["contiguous"])
        self.assertEqual(rules(later, first_counter=100), [])

    def test_pieces_of_any_size(self):
        for size in (1, 3, 50):
            pieces = [(side, raw[i:i + size]) for side, raw in GOOD for i in range(0, len(raw), size)]
            self.assertEqual(verifier.verify(pieces, {}).faults, [])


def captured():
    """{name: (chunks, what each is called)} of the sessions between Java's servers that were recorded from their first byte."""
    sessions = {}
    for timeline in sorted(WIRE.glob("sess-*.timeline.json")):
        name = timeline.name.removesuffix(".timeline.json")
        streams = {way: (WIRE / f"{name}.{short}.stream").read_bytes() for way, short in (("learner->leader", "l2s"), ("leader->learner", "s2l"))}
        entries = json.loads(timeline.read_text())
        sessions[name] = ([(entry["direction"] == "learner->leader", streams[entry["direction"]][entry["offset"]:entry["offset"] + entry["length"]])
                           for entry in entries], [entry["type"] for entry in entries])
    return sessions


class Captured(unittest.TestCase):
    def test_java_breaks_no_rule(self):
        for name, (chunks, _) in captured().items():
            conversation = verifier.verify(chunks, {}, is_our_leader=False, is_our_learner=False)
            self.assertEqual(conversation.faults, [], name)
            self.assertGreater(len(conversation.seen), 8, name)

    def test_a_lost_or_doubled_packet_is_found(self):
        """A lost one where anything follows that tells."""
        for name, (chunks, kinds) in captured().items():
            for at, kind in enumerate(kinds):
                if chunks[at][0] or kind not in ("PROPOSAL", "COMMIT", "INFORM", "NEWLEADER", "LEADERINFO", "DIFF", "TRUNC", "SNAP"):
                    continue
                doubled = chunks[:at] + [chunks[at]] + chunks[at:]
                self.assertTrue(rules(doubled, is_our_leader=False), f"{name}: {kind} {at} doubled")
                tell = {"PROPOSAL": ("PROPOSAL", "COMMIT"), "COMMIT": ("COMMIT",), "INFORM": ("INFORM",)}.get(kind, ("NEWLEADER", "UPTODATE"))
                if any(after in tell for after in kinds[at + 1:]):
                    lost = chunks[:at] + chunks[at + 1:]
                    self.assertTrue(rules(lost, is_our_leader=False), f"{name}: {kind} {at} lost")

    def test_a_flipped_bit_of_a_transaction_is_found_beside_the_right_one(self):
        dice = random.Random(1)
        for name, (chunks, kinds) in captured().items():
            ledger = {}
            verifier.verify(chunks, ledger, is_our_leader=False)
            for at, kind in enumerate(kinds):
                if kind not in ("PROPOSAL", "INFORM"):
                    continue
                chunk = chunks[at][1]
                spot = dice.randrange(16, len(chunk) - 4)
                flipped = chunk[:spot] + bytes([chunk[spot] ^ 1 << dice.randrange(8)]) + chunk[spot + 1:]
                faults = verifier.verify(chunks[:at] + [(False, flipped)] + chunks[at + 1:], dict(ledger), is_our_leader=False).faults
                self.assertTrue(faults, f"{name}: {at}, byte {spot}")


if __name__ == "__main__":
    unittest.main()

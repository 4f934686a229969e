"""The stricter rules of ZooKeeper 3.9.5, and what 3.8 dies of, checked on what went over one connection on the quorum port.

Packets come in the order in which a relay between the two saw them, so that an answer is never before its question.
"""

from collections import deque

import packets
from packets import Malformed

RULES = {
    "decode": "every byte belongs to a packet, a snapshot or a transaction",
    "form": "authinfo only in REQUEST; the leader's PING has no data, the answer has (if only empty); each side says what is its own to say",
    "handshake": "FOLLOWERINFO or OBSERVERINFO, LEADERINFO, ACKEPOCH; then one DIFF, TRUNC or SNAP before all else",
    "epochs": "LEADERINFO is no lower than what was promised, NEWLEADER repeats it, -1 in ACKEPOCH stands for that very epoch (or for no database); "
              "what is proposed after NEWLEADER is of it, before it of none later",
    "contiguous": "zxids of an epoch have no gap, from where DIFF, TRUNC or SNAP left the learner; an epoch begins at 1",
    "repeat": "no PROPOSAL or INFORM comes twice, none goes back",
    "commits": "COMMIT is for the oldest PROPOSAL that has none",
    "newleader": "no COMMIT between NEWLEADER and UPTODATE is for a PROPOSAL from before (3.8 to 3.9.2 die of it; Java leaders do it)",
    "sync": "NEWLEADER once; UPTODATE once, after its ACK (Java leaders take any ACK for it); observers get INFORM afterwards, "
            "followers PROPOSAL and COMMIT",
    "acks": "ACK of NEWLEADER first (3.8's log thread may be quicker), ACK of UPTODATE; of followers every PROPOSAL's, once, after it, in its order",
    "header": "a transaction's header has the zxid of its packet",
    "digest": "every transaction has its digest, failed ones have none",
    "agreement": "one zxid, one transaction and one digest, byte for byte, on all connections of the ensemble, under every leader "
                 "(but for the types of a failed multi's parts, which Java's leaders change)",
}
LEARNER_SAYS = {"REQUEST", "ACK", "PING", "REVALIDATE", "FOLLOWERINFO", "OBSERVERINFO", "ACKEPOCH"}
LEADER_SAYS = set(packets.NAMES.values()) - {"REQUEST", "ACK", "FOLLOWERINFO", "OBSERVERINFO", "ACKEPOCH"}
GREETING, CHOSEN, HISTORY, ANNOUNCED, BROADCAST = range(5)  # how far the leader is


def epoch_of(zxid):
    return zxid >> 32


def counter_of(zxid):
    return zxid & 0xffffffff


class Conversation:
    """One connection. `ledger` ({zxid: transaction bytes}) is shared by all of an ensemble. `faults`: (rule, what was seen)."""

    def __init__(self, ledger, is_our_leader=True, is_our_learner=True, first_counter=1):
        self.ledger, self.first_counter = ledger, first_counter
        self.is_our_leader, self.is_our_learner = is_our_leader, is_our_learner
        self.streams, self.is_lost = {True: packets.Stream(), False: packets.Stream()}, False
        self.faults, self.seen = [], []  # `seen`: (is it the learner's, packet), for what a scenario wants to know
        self.phase, self.how, self.is_observer = GREETING, None, None
        self.promised, self.epoch, self.learner_zxid = None, None, None
        self.last, self.pending, self.from_before = None, deque(), set()
        self.proposed, self.acked, self.epoch_acks, self.to_ack = set(), 0, 0, deque()
        self.is_first_txn = True
        self.interleaved = 0  # COMMITs that only a Java leader may send there

    def take(self, is_learner, chunk):
        """Bytes of one side. Where they cannot be read, nothing after them can."""
        if self.is_lost:
            return
        try:
            for packet in self.streams[is_learner].feed(chunk):
                self.hear(is_learner, packet)
        except (Malformed, UnicodeDecodeError) as problem:
            self.is_lost = True
            self.fault("decode", str(problem))

    def fault(self, rule, what):
        self.faults.append((rule, f"{what} (packet {len(self.seen)} of the connection)"))

    def require(self, is_so, rule, what):
        if not is_so:
            self.fault(rule, what)

    def hear(self, is_learner, packet):
        self.seen.append((is_learner, packet))
        name = packet.name
        self.require(name in (LEARNER_SAYS if is_learner else LEADER_SAYS), "form", f"{name} from the {'learner' if is_learner else 'leader'}")
        self.require(packet.authinfo is None or name == "REQUEST", "form", f"{name} has authinfo")
        (self.hear_learner if is_learner else self.hear_leader)(packet)

    # ---- what the learner says ------------------------------------------------------------

    def hear_learner(self, packet):
        if self.promised is None:
            self.require(packet.name in ("FOLLOWERINFO", "OBSERVERINFO"), "handshake", f"the learner begins with {packet.name}")
            self.promised, self.is_observer = epoch_of(packet.zxid), packet.name == "OBSERVERINFO"
        elif self.learner_zxid is None:
            self.require(packet.name == "ACKEPOCH" and self.epoch is not None, "handshake", f"{packet.name} in place of ACKEPOCH")
            self.learner_zxid = packet.zxid
            self.hear_ackepoch(packet)
        elif packet.name == "ACK":
            self.hear_ack(packet.zxid)
        else:
            self.require(packet.name not in ("FOLLOWERINFO", "OBSERVERINFO", "ACKEPOCH"), "handshake", f"another {packet.name}")
            self.require(self.epoch_acks > 0, "acks", f"{packet.name} before the ACK of NEWLEADER")
            self.require(packet.name != "PING" or packet.data is not None, "form", "the answer to PING is null")

    def hear_ackepoch(self, packet):
        if packet.name != "ACKEPOCH" or self.epoch is None:
            return
        current = int.from_bytes(packet.data or b"", "big", signed=True)
        self.require(len(packet.data or b"") == 4, "handshake", "ACKEPOCH without an epoch")
        if self.promised == -1:  # whose database is missing has no say, and promises nothing
            self.require(packet.zxid == -1, "epochs", f"ACKEPOCH {packet.zxid:#x} of a server without a database")
            return
        self.require((current == -1) == (self.promised == self.epoch), "epochs",
                     f"ACKEPOCH says {current} where {self.promised} was promised and {self.epoch} begins")
        self.require(current <= self.promised, "epochs", f"ACKEPOCH says {current}, later than the promised {self.promised}")

    def hear_ack(self, zxid):
        if self.epoch is not None and zxid == self.epoch << 32:
            self.epoch_acks += 1
            if self.epoch_acks == 1:
                self.require(self.phase >= ANNOUNCED, "acks", "an ACK of NEWLEADER before NEWLEADER")
            else:
                self.require(self.epoch_acks == 2 and self.phase == BROADCAST, "acks", f"ACK {self.epoch_acks} of the epoch, without UPTODATE")
            return
        self.require(self.epoch_acks > 0 or not self.is_our_learner, "acks", f"ACK {zxid:#x} before that of NEWLEADER")
        self.require(not self.is_observer, "acks", f"an observer's ACK {zxid:#x}")
        self.require(zxid in self.proposed, "acks", f"ACK {zxid:#x} of what was not proposed here")
        self.require(zxid > self.acked, "acks", f"ACK {zxid:#x} after {self.acked:#x}")
        self.acked = max(zxid, self.acked)
        if self.to_ack and zxid >= self.to_ack[0]:  # which of those before UPTODATE are acknowledged differs from version to version
            self.require(zxid == self.to_ack.popleft(), "acks", f"ACK {zxid:#x}, and one before it is missing")

    # ---- what the leader says -------------------------------------------------------------

    def hear_leader(self, packet):
        if self.phase == GREETING:
            self.hear_leaderinfo(packet)
        elif self.phase == CHOSEN:
            self.hear_choice(packet)
        else:
            self.hear_synced(packet)

    def hear_leaderinfo(self, packet):
        self.require(packet.name == "LEADERINFO" and self.promised is not None, "handshake", f"the leader begins with {packet.name}")
        self.phase, self.epoch = CHOSEN, epoch_of(packet.zxid)
        self.require(counter_of(packet.zxid) == 0 and self.epoch >= (self.promised or 0), "epochs",
                     f"LEADERINFO {packet.zxid:#x} where {self.promised} was promised")

    def hear_choice(self, packet):
        """DIFF, TRUNC or SNAP: the learner has all up to `last` then."""
        self.require(packet.name in ("DIFF", "TRUNC", "SNAP") and self.learner_zxid is not None, "handshake", f"{packet.name} before the choice")
        self.phase, self.how = HISTORY, packet.name
        self.last = (self.learner_zxid or 0) if packet.name == "DIFF" else packet.zxid
        self.require(packet.name != "TRUNC" or packet.zxid < (self.learner_zxid or 0), "handshake", f"TRUNC to {packet.zxid:#x}, no earlier")

    def hear_synced(self, packet):
        name = packet.name
        if name in ("PROPOSAL", "INFORM", "INFORMANDACTIVATE"):
            self.hear_txn(packet)
        elif name in ("COMMIT", "COMMITANDACTIVATE"):
            self.hear_commit(packet.zxid)
        elif name == "NEWLEADER":
            self.require(self.phase == HISTORY, "sync", "another NEWLEADER")
            self.require(packet.zxid == self.epoch << 32, "epochs", f"NEWLEADER {packet.zxid:#x} in epoch {self.epoch}")
            self.phase, self.from_before = max(self.phase, ANNOUNCED), set(self.pending)
        elif name == "UPTODATE":
            is_acked = self.epoch_acks == 1 or not self.is_our_leader
            self.require(self.phase == ANNOUNCED and is_acked, "sync", "UPTODATE twice, or before NEWLEADER was acknowledged")
            self.phase = BROADCAST
        elif name in ("LEADERINFO", "DIFF", "TRUNC", "SNAP"):
            self.fault("handshake", f"{name} in the middle")
        else:
            self.require(self.phase > HISTORY, "sync", f"{name} before NEWLEADER")
            self.require(name != "PING" or packet.data is None, "form", "the leader's PING has data")

    def hear_txn(self, packet):
        zxid, data = packet.zxid, packet.data or b""
        is_proposal = packet.name == "PROPOSAL"
        if self.phase == BROADCAST:
            self.require(is_proposal != self.is_observer, "sync", f"{packet.name} for {'an observer' if self.is_observer else 'a follower'}")
        self.require(epoch_of(zxid) == self.epoch if self.phase > HISTORY else epoch_of(zxid) <= self.epoch, "epochs",
                     f"{packet.name} {zxid:#x} in epoch {self.epoch}")
        self.require_next(packet.name, zxid)
        self.last, self.is_first_txn = zxid, False
        if is_proposal:
            self.pending.append(zxid)
            self.proposed.add(zxid)
            if self.phase == BROADCAST:
                self.to_ack.append(zxid)
        else:
            self.require(not self.pending, "commits", f"{packet.name} {zxid:#x} while {len(self.pending)} proposals have no COMMIT")
        self.check_txn(zxid, data[8:] if packet.name == "INFORMANDACTIVATE" else data)

    def require_next(self, name, zxid):
        """A snapshot was taken while transactions went on: those may follow that it has already."""
        is_fuzzy = self.how == "SNAP" and self.is_first_txn and epoch_of(zxid) == epoch_of(self.last)
        if is_fuzzy and zxid <= self.last:
            return
        if self.first_counter is None and counter_of(self.last) == 0:
            return
        if epoch_of(zxid) == epoch_of(self.last):
            self.require(zxid > self.last, "repeat", f"{name} {zxid:#x} after {self.last:#x}")
            self.require(zxid <= self.last + 1, "contiguous", f"{name} {zxid:#x} after {self.last:#x}")
        else:
            self.require(epoch_of(zxid) > epoch_of(self.last), "repeat", f"{name} {zxid:#x} after {self.last:#x}")
            self.require(self.first_counter in (None, counter_of(zxid)), "contiguous", f"epoch {epoch_of(zxid)} begins with {zxid:#x}")

    def check_txn(self, zxid, data):
        try:
            txn = packets.read_txn(data)
        except Malformed as problem:
            self.fault("decode", f"transaction {zxid:#x}: {problem}")
            return
        self.require(txn.zxid == zxid, "header", f"the header of {zxid:#x} says {txn.zxid:#x}")
        self.require((txn.digest is None) == (txn.type == packets.ERROR), "digest",
                     f"transaction {zxid:#x} of type {txn.type} has {'no' if txn.digest is None else 'a'} digest")
        same = packets.comparable(data)
        self.require(self.ledger.setdefault(zxid, same) == same, "agreement",
                     f"transaction {zxid:#x} was {self.ledger[zxid].hex()[:400]} and is {same.hex()[:400]}")

    def hear_commit(self, zxid):
        if not self.pending:
            self.fault("commits", f"COMMIT {zxid:#x} with nothing proposed")
            return
        self.require(zxid == self.pending[0], "commits", f"COMMIT {zxid:#x} where {self.pending[0]:#x} is the oldest")
        if self.phase == ANNOUNCED and zxid in self.from_before:
            self.interleaved += 1
            self.require(not self.is_our_leader, "newleader", f"COMMIT {zxid:#x} between NEWLEADER and UPTODATE, proposed before NEWLEADER")
        if zxid in self.pending:
            while self.pending.popleft() != zxid:
                pass

    # ---- for scenarios --------------------------------------------------------------------

    def names(self, is_learner):
        return [packet.name for from_learner, packet in self.seen if from_learner == is_learner]


def verify(chunks, ledger, **what):
    """The conversation in these (is it the learner's, bytes)."""
    conversation = Conversation(ledger, **what)
    for is_learner, chunk in chunks:
        conversation.take(is_learner, chunk)
    return conversation

"""The only differences that are let through. Each row: name, predicate, citation; a hit counter is printed at the end.

A predicate sees one answered operation (`Case`) and says whether side B's answer is what 3.9.5 gives where 3.8.0 gives
A's; it never ignores B's answer. Section numbers: the client protocol reference. `expected_error` states what the
target must answer even when both servers agree.
"""

from collections import Counter, namedtuple
from dataclasses import dataclass

from model import READ
from wire import WRITES


@dataclass
class Case:
    op: dict
    slot: int
    a: object           # wire.Reply
    b: object
    values: tuple       # the decoded, canonical bodies of both
    model: object       # as it was before the operation
    flavours: tuple


Row = namedtuple("Row", "name cite applies")


def expected_error(op, slot, model, flavour):
    """The error a server of `flavour` must give, where the flavours differ and the model knows; else None."""
    name = op["op"]
    if "cut" in op:
        return None
    if name == "exists" and op["path"] is not None and flavour == "3.9.5" and (op["path"] or "/") in model.nodes:
        return 0 if model.may(slot, op["path"], READ) else -102
    if name == "multi" and flavour == "3.9.5" and any(map(_refused_sub_create, op["ops"])):
        return -5
    if name == "removeWatches" or name == "checkWatches" and flavour == "3.9.5":
        return model.tables[flavour].holds(op["path"], slot, op["type"])
    return None


def expected_shape(op, reply, value, flavour):
    """Whether a create2 inside a multi is answered as its flavour does."""
    if op["op"] != "multi" or reply.err != 0:
        return True
    kinds = [result[0] for sub, result in zip(op["ops"], value) if sub["op"] == "create2" and sub["flags"] != 4 and result[0] != "error"]
    return all(kind == (15 if flavour == "3.9.5" else 1) for kind in kinds)


def _upgraded(case):
    return case.flavours == ("3.8", "3.9.5")


def _exists_needs_read(case):
    return _upgraded(case) and case.op["op"] == "exists" and case.a.err == 0 and case.b.err == -102


def _watch_kinds(case):
    return _upgraded(case) and case.op["op"] in ("removeWatches", "checkWatches") and case.b.err == case.model.tables["3.9.5"].holds(
        case.op["path"], case.slot, case.op["type"])


def _create2_in_multi(case):
    if not (_upgraded(case) and case.op["op"] == "multi" and case.a.err == case.b.err == 0 and len(case.values[0]) == len(case.values[1])):
        return False
    for sub, a, b in zip(case.op["ops"] + [None], *case.values):
        if a == b:
            continue
        if not (sub and sub["op"] == "create2" and a[0] == 1 and b[0] == 15 and a[1:] == b[1:3]):
            return False
        stat, now = b[3], case.model.position
        owner = case.model.slots[case.slot].session if sub["flags"] in (1, 3) else 0
        length = len(sub["data"] or "")
        if (stat.czxid, stat.mzxid, stat.pzxid) != (now,) * 3 or (stat.version, stat.aversion) != (0, 0) or stat.owner != owner or stat.length != length:
            return False
        # cversion and numChildren are those right after the sub-operation: a new node has neither.
        if (stat.cversion, stat.children) != (0, 0):
            return False
    return True


def _refused_sub_create(sub):
    return sub["op"] in ("create", "create2", "createContainer") and (sub["acl"] is None or not 0 <= sub["flags"] <= 4)


def _multi_refused_whole(case):
    return (_upgraded(case) and case.op["op"] == "multi" and case.a.err == 0 and case.b.err == -5 and not case.values[1]
            and any(map(_refused_sub_create, case.op["ops"])))


def _auth_order(case):
    if not (case.op["op"] == "getACL" and case.a.err == case.b.err == 0 and case.values[0][1] == case.values[1][1]):
        return False
    a, b = case.values[0][0], case.values[1][0]
    return sorted(a) == sorted(b) and sum(entry[1] == "digest" for entry in a) > 1


ROWS = [
    Row("exists-needs-read", "sections 5 and 7: exists checks READ since 3.9.2", _exists_needs_read),
    Row("watch-kinds", "section 12.5: removal and check by kind, own connection only, since 3.9.0; observed on 3.8.0: checkWatches of types "
        "1 to 3 answers for any connection's watch on the path", _watch_kinds),
    Row("create2-in-multi", "section 11: type 15 with path and Stat since 3.9.0", _create2_in_multi),
    Row("multi-refused-whole", "section 11: a null ACL vector or an invalid flags number is -5 for the whole request in 3.9", _multi_refused_whole),
    Row("auth-expansion-order", "section 13.3 expands over a set; 3.8.0 keeps ids in a hash set (observed)", _auth_order),
]

# Differences outside the reply bodies; compare.py applies and counts them.
EVENT_MODES = Row("watch-modes", "sections 12.1 and 12.2: modes coexist on a path, recursive watches live in the data table only since 3.9.0; "
                  "each server is held to its own prediction", None)
EVENT_ZXID = Row("event-zxid", "sections 4 and 12.3: an event carries its transaction's zxid since 3.9.0 (checked), -1 before (checked)", None)
MALFORMED_ZXID = Row("malformed-write-zxid", "section 4: 3.8.0 spends a zxid on a write that does not parse, 3.9 spends none or one", None)
PASSWORD_PROBE = Row("wrong-password-spares-live", "section 3.1: a wrong password must not close the live connection; Java's does (checked both ways)", None)

BARE_CHECK = Row("bare-check-refused", "section 5: opcode 13 outside multi is UNIMPLEMENTED and a close since 3.9.3 (checked on the target alone; "
                 "observed: 3.8.0 never answers one that succeeds)", None)


class Allowed:
    def __init__(self):
        self.hits = Counter()

    def row_for(self, case):
        for row in ROWS:
            if row.applies(case):
                self.hits[row.name] += 1
                return row
        return None

    def hit(self, row):
        self.hits[row.name] += 1

    def report(self):
        lines = ["allowed differences (hits, citation):"]
        for row in [*ROWS, EVENT_MODES, EVENT_ZXID, MALFORMED_ZXID, PASSWORD_PROBE, BARE_CHECK]:
            lines.append(f"  {row.name:28} {self.hits[row.name]:7}  {row.cite}")
        return "\n".join(lines)


def zxids_spent(op, flavour, reply):
    """How many zxids a server spends on this request, or None where both 0 and 1 are right."""
    name = op["op"]
    if reply.err == -124:
        return 0
    if name == "closeSession":
        return 1
    if name not in WRITES:
        return 0
    if reply.err == -5 and flavour == "3.9.5":
        return None
    return 0 if reply.err == -5 and name == "reconfig" else 1  # observed: 3.8.0 parses this one first

"""Transactions that Java left out of a follower's log: ZOOKEEPER-4712, of its versions before 3.9.3.

A follower whose leader goes drops what it has applied and not yet logged, and goes on without: its tree has it until it is started again.
"""

import bisect

from directory import files


def zxids_in(data):
    """What the logs of a data directory hold."""
    zxids = set()
    for log in files(data, "log").values():
        raw, at = log.read_bytes(), 16
        while at + 12 <= len(raw) and (length := int.from_bytes(raw[at + 8:at + 12], "big")) > 0:
            zxids.add(int.from_bytes(raw[at + 24:at + 32], "big"))
            at += 12 + length + 1
    return zxids


def lacking(member, members):
    """What another's log has and this one's not, nor any tree that came in its place; from the log's beginning to its end."""
    own, trees = sorted(zxids_in(member.folder / "data")), files(member.folder / "data", "snapshot")
    if not own:
        return []
    others = set().union(*(zxids_in(other.folder / "data") for other in members if other is not member))
    missing = sorted(zxid for zxid in others.difference(own) if own[0] < zxid < own[-1])
    return [zxid for zxid in missing if not any(zxid <= tree < own[bisect.bisect(own, zxid)] for tree in trees)]


def is_javas_loss(member, members, lost):
    """Is the log of this Java server short of as much as it has lost? Then that is told, and nobody else's fault."""
    hole = lacking(member, members) if member.is_java else []
    if hole and len(hole) >= len(lost):
        print(f"    Java had left {len(hole)} transactions out of the log of server {member.sid} (ZOOKEEPER-4712)", flush=True)
    return bool(hole) and len(hole) >= len(lost)

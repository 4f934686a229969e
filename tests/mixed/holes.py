"""Transactions that Java left out of a follower's log: ZOOKEEPER-4712, of its versions before 3.9.3.

A follower whose leader goes drops what it has applied and not yet logged, and goes on without: its tree has it until it is started again.
"""

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
    """Ends of epochs that this one's log lacks, and another's has. Of a server that has lost something: a tree that came makes such gaps, too."""
    own = zxids_in(member.folder / "data")
    others = set().union(*(zxids_in(other.folder / "data") for other in members if other is not member))
    return [zxid for zxid in others - own if min(own) < zxid < max(own) and not any(zxid < later <= zxid | 0xFFFFFFFF for later in own)]

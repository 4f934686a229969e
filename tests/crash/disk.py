"""A disk as strict as POSIX allows: what a power cut leaves of a recorded run.

Durable at an instant T is exactly this:
  * of a file: what was written or truncated before a flush (fsync, fdatasync) of it began that ended before T;
  * of a directory: the creations, renames and removals in it before a flush of the directory began that ended
    before T. (Flushing a file does not make its name durable.)
Of the rest that had begun before T, `Luck` says what reached the disk as well:
  * names: the changes of all directories are one journal; some first part of it is there;
  * bytes: each 512-byte sector is as it was after some number of the writes to it; the file's length is one of those
    it had. A sector that was never written within the length reads as zeros.
"""

import os
import random

SECTOR = 512


class File:
    """An inode: its durable bytes, and what was done to it since, as (kind, offset or size, data, end)."""

    def __init__(self, content=b""):
        self.durable, self.pending = bytearray(content), []

    def flushed(self, before):
        count = 0
        while count < len(self.pending) and self.pending[count][3] <= before:
            apply(self.durable, self.pending[count])
            count += 1
        del self.pending[:count]


def apply(content, change):
    kind, offset, data, _ = change
    if kind == "truncate":
        resize(content, offset)
    else:
        resize(content, max(len(content), offset + len(data)))
        content[offset:offset + len(data)] = data


def resize(content, size):
    if size < len(content):
        del content[size:]
    else:
        content.extend(bytes(size - len(content)))


class NameChange:
    """`kind` is make (a file under a name), rename, unlink or mkdir."""

    def __init__(self, kind, paths, file, end):
        self.kind, self.paths, self.file, self.end, self.is_durable = kind, paths, file, end, False

    def touches(self, directory):
        return any((os.path.dirname(path) or ".") == directory for path in self.paths)


class Disk:
    """Replays a trace up to an instant."""

    def __init__(self, calls, instant):
        self.names, self.journal, self.open = {}, [], {}
        for call in calls:
            if call.start < instant and not call.error:
                self.play(call, instant)

    def play(self, call, instant):
        kind = call.kind
        if kind == "start":
            self.open = {}
        elif kind == "open":
            self.open_file(call)
        elif kind == "close":
            self.open.pop(call.descriptor, None)
        elif kind in ("rename", "unlink", "mkdir"):
            self.change_name(NameChange(kind, call.paths, None, call.end))
        elif kind == "flush":
            if call.end <= instant:
                self.flush(self.open[call.descriptor], call.start)
        elif kind == "write":
            self.open[call.descriptor].pending.append(("write", call.offset, call.data, call.end))
        elif kind == "truncate":
            self.open[call.descriptor].pending.append(("truncate", call.offset, b"", call.end))

    def open_file(self, call):
        path = call.paths[0]
        if call.offset & os.O_DIRECTORY:
            self.open[call.descriptor] = path
            return
        if path not in self.names:
            if not call.offset & os.O_CREAT:
                self.open[call.descriptor] = path  # a directory, opened without saying so
                return
            self.change_name(NameChange("make", [path], File(), call.end))
        file = self.open[call.descriptor] = self.names[path]
        if call.offset & os.O_TRUNC:
            file.pending.append(("truncate", 0, b"", call.end))

    def change_name(self, change):
        rename(self.names, change)
        self.journal.append(change)

    def flush(self, what, began):
        if isinstance(what, File):
            what.flushed(began)
            return
        for change in self.journal:
            if change.end <= began and change.touches(what):
                change.is_durable = True

    def everything(self):
        """As a machine that was not cut off would show it: {path: bytes, or None for a directory}."""
        return {path: file and settled(file, None) for path, file in self.names.items()}

    def left(self, luck):
        """{path: bytes, or None for a directory} after the cut."""
        names = {}
        pending = [change for change in self.journal if not change.is_durable]
        lucky = set(map(id, pending[:luck.names(pending)]))
        for change in self.journal:
            if change.is_durable or id(change) in lucky:
                rename(names, change)
        return {path: file and settled(file, luck) for path, file in names.items()}


def rename(names, change):
    """Does the change, unless a change it builds on did not reach the disk."""
    parents = [os.path.dirname(path) for path in change.paths]
    if any(parent and parent not in names for parent in parents):
        return
    if change.kind == "make":
        names[change.paths[0]] = change.file
    elif change.kind == "mkdir":
        names[change.paths[0]] = None
    elif change.paths[0] in names:
        file = names.pop(change.paths[0])
        if change.kind == "rename":
            names[change.paths[1]] = file


def settled(file, luck):
    content = bytearray(file.durable)
    if luck is None:
        for change in file.pending:
            apply(content, change)
        return bytes(content)
    return luck.settle(content, file.pending)


class Luck:
    """What of the unflushed reached the disk. Moods: nothing; all; in order (as if the power had gone a little earlier,
    the write under way torn); any (each sector by itself)."""

    MOODS = ["nothing", "all", "in order", "any", "any"]

    def __init__(self, mood, seed, instant):
        self.mood, self.random = mood, random.Random(seed)
        self.earlier = instant - int(self.random.expovariate(1 / 3e6))  # ms ago or less

    def names(self, pending):
        if self.mood == "in order":
            return sum(change.end <= self.earlier for change in pending)
        return {"nothing": 0, "all": len(pending)}.get(self.mood, self.random.randint(0, len(pending)))

    def settle(self, content, pending):
        if self.mood == "nothing":
            pending = []
        if self.mood == "any":
            return self.scatter(content, pending)
        for change in pending:
            if self.mood == "in order" and change[3] > self.earlier:
                self.tear(content, change)
                break
            apply(content, change)
        return bytes(content)

    def tear(self, content, change):
        kind, offset, data, end = change
        if kind == "truncate":
            return
        first = SECTOR - offset % SECTOR
        cuts = [0, *range(first, len(data), SECTOR)]
        apply(content, (kind, offset, data[:self.random.choice(cuts)], end))

    def scatter(self, content, pending):
        """Every sector as after some number of the changes to it, and so the length."""
        length = len(content)
        lengths = [length]
        sectors, done = {}, bytearray(content)  # sector -> the contents it had
        for change in pending:
            kind, offset, data, _ = change
            before = len(done)
            apply(done, change)
            lengths.append(len(done))
            touched = range(offset, before) if kind == "truncate" else range(offset, offset + len(data))
            for sector in (range(touched.start // SECTOR, -(-touched.stop // SECTOR)) if touched else ()):
                at = sector * SECTOR
                past = sectors.setdefault(sector, [bytes(content[at:at + SECTOR])])
                past.append(bytes(done[at:at + SECTOR]))
        resize(content, self.random.choice([min(lengths), max(lengths), *lengths]))
        bias = self.random.choice([0.1, 0.5, 0.9])  # of all sectors, how many are new
        for sector, past in sectors.items():
            at = sector * SECTOR
            chosen = past[-1] if self.random.random() < bias else self.random.choice(past)
            chosen = chosen.ljust(SECTOR, b"\0")[:max(0, len(content) - at)]
            content[at:at + len(chosen)] = chosen
        return bytes(content)


def lay_out(files, folder):
    """Writes {path: bytes or None} under a folder; holes stay holes."""
    for path, content in sorted(files.items()):
        if content is None:
            (folder / path).mkdir(parents=True, exist_ok=True)
            continue
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        with open(folder / path, "wb") as file:
            file.write(content.rstrip(b"\0"))
            file.truncate(len(content))

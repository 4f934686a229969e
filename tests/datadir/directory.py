"""A data directory that servers of both kinds open in turn, and what lies in it."""

import gzip
import pathlib
import shutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
FIXTURES = HERE.parent / "fixtures" / "zookeeper-3.8-datadir"
sys.path.append(str(HERE.parent / "differential"))

import servers  # noqa: E402
import wire  # noqa: E402

SYNOD_REFUSES_THE_DIRECTORY = 3
CONFIG = {"extendedTypesEnabled": "true", "forceSync": "yes", "preAllocSize": 64}
# Java's log is set to warnings; none of these classes has one for a sound directory. (handover.controls shows what they say of
# digests that do not match: "Digests are not matching", "First digest mismatch on txn".)
JAVA_COMPLAINTS = ("server.DataTree", "server.persistence.", "server.ZKDatabase", "server.ZooKeeperServer ", "[main] ERROR")
JAVA_HARMLESS = ("fsync-ing the write ahead log", "NullPointerException")  # the second: a word asked before it was ready


class Failure(Exception):
    """What was found is not what must be."""


def require(is_so, *what):
    if not is_so:
        raise Failure(" ".join(map(str, what)))


class Server(servers.Server):
    """A server on `folder`/data; its log is kept apart from those of other starts."""

    starts = 0

    def __init__(self, kind, folder, config=(), flags=()):
        super().__init__(kind, folder)
        self.config, self.flags = {**CONFIG, **dict(config)}, dict(flags)

    def launch(self):
        """Starts; does not wait."""
        Server.starts += 1
        (self.folder / "log").unlink(missing_ok=True)
        self.start(self.config, self.flags)
        return self

    def up(self):
        self.launch().wait_ready()
        return self

    def wait_ready(self):
        super().wait_ready()
        deadline = servers.time.monotonic() + 10  # Synod's log is written behind its back
        while self.kind == "synod" and "serving clients on port" not in self.text() and servers.time.monotonic() < deadline:
            servers.time.sleep(0.01)

    def tail(self, size=3000):
        """Without the frames of Java's stacks."""
        return "\n".join(line for line in self.text().splitlines() if not line.startswith("\tat "))[-size:]

    def text(self):
        return (self.folder / "log").read_bytes().decode("utf-8", "replace")

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def refusal(self, seconds=30):
        """For a start that must fail: (exit status, log)."""
        self.launch()
        try:
            status = self.process.wait(seconds)
        except Exception:
            self.kill()
            raise Failure(f"{self.kind} serves a directory that it must refuse\n{self.tail()}") from None
        self.process = None
        return status, self.text()

    def complaints(self):
        """Lines of the log of this start that must not be there."""
        if self.kind == "java":
            return [line for line in self.text().splitlines() if any(word in line for word in JAVA_COMPLAINTS) and not any(word in line for word in JAVA_HARMLESS)]
        return [line for line in self.text().splitlines() if "[warning]" in line or "[error]" in line or "[critical]" in line]

    def __enter__(self):
        return self.up()

    def __exit__(self, *_):
        if self.process is not None:
            self.stop()


def copy(source, target):
    """`target`/data becomes a copy of the data directory `source`, writable whatever the source is."""
    shutil.rmtree(target / "data", ignore_errors=True)
    (target / "data" / "version-2").mkdir(parents=True)
    for file in (source / "version-2").iterdir():
        if file.is_file():
            shutil.copyfile(file, target / "data" / "version-2" / file.name)
    return target


def files(data, kind):
    """{zxid: path} of the snapshots or logs, in order."""
    found = {int(path.name.split(".")[1], 16): path for path in (data / "version-2").glob(kind + ".*") if "tmp" not in path.name}
    return dict(sorted(found.items()))


def content(snapshot):
    """A snapshot's bytes, unpacked."""
    raw = snapshot.read_bytes()
    if snapshot.suffix == ".gz":
        return gzip.decompress(raw)
    if snapshot.suffix == ".snappy":
        return _unsnap(raw)
    return raw


def _unsnap(raw):
    """snappy-java's stream: 16 bytes of header, then blocks of a length and raw snappy data."""
    out, at = bytearray(), 16
    while at < len(raw):
        size = int.from_bytes(raw[at:at + 4], "big")
        out += _unsnap_block(raw[at + 4:at + 4 + size])
        at += 4 + size
    return bytes(out)


def _unsnap_block(raw):
    out, at = bytearray(), 0
    while raw[at] & 0x80:  # the length of what comes out, a varint: not needed
        at += 1
    at += 1
    while at < len(raw):
        tag = raw[at]
        kind, at = tag & 3, at + 1
        if kind == 0:
            size, extra = tag >> 2, max(0, (tag >> 2) - 59)
            if extra:
                size, at = int.from_bytes(raw[at:at + extra], "little"), at + extra
            out += raw[at:at + size + 1]
            at += size + 1
            continue
        if kind == 1:
            size, back, at = (tag >> 2 & 7) + 4, (tag >> 5) << 8 | raw[at], at + 1
        else:
            width = 2 * kind - 2 if kind == 2 else 4
            size, back, at = (tag >> 2) + 1, int.from_bytes(raw[at:at + width], "little"), at + width
        for _ in range(size):
            out.append(out[-back])
    return bytes(out)


def sessions_in(snapshot):
    """{session id: timeout in ms}"""
    reader = wire.Reader(content(snapshot), 16)
    return {reader.long(): reader.int() for _ in range(reader.int())}

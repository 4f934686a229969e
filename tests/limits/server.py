"""One Synod with the settings of a case, and a client that speaks plain frames to it."""

import os
import pathlib
import re
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "differential"))

import wire

SYNOD = os.environ.get("SYNOD_BIN", str(ROOT / "build" / "release" / "synod"))
WORLD = [(31, "world", "anyone")]
START_SECONDS = 10


class Failed(Exception):
    """The server did not do what the case expects of it."""


def expect(condition, text):
    if not condition:
        raise Failed(text() if callable(text) else text)


def run(*arguments, **options):
    """`synod arguments…` to its end."""
    return subprocess.run([SYNOD, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=20, text=True, **options)


class Server:
    """A context: the server runs inside. Settings are lines of zoo.cfg, flags stand on the command line."""

    def __init__(self, folder, settings=None, flags=(), arguments=None, stdout=None):
        self.folder = pathlib.Path(folder)
        self.settings, self.flags, self.arguments, self.stdout = dict(settings or {}), list(flags), arguments, stdout
        self.data = self.folder / "data"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def configuration(self):
        lines = {"dataDir": self.data, "clientPort": 0, "clientPortAddress": "127.0.0.1", "tickTime": 2000, **self.settings}
        path = self.folder / "zoo.cfg"
        path.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
        return path

    def start(self):
        command = [SYNOD, "serve", *self.flags, *map(str, self.arguments or [self.configuration()])]
        self.log_path = self.folder / "log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.stdout or log, stderr=log)
        self.port = None
        if self.stdout is None:
            self.port = int(self.wait_for_log(r"serving clients on port (\d+)").group(1))

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_for_log(self, pattern, seconds=START_SECONDS):
        deadline = time.monotonic() + seconds
        while True:
            is_over = self.process.poll() is not None
            if found := re.search(pattern, self.log()):
                return found
            if is_over or time.monotonic() > deadline:
                raise Failed(f"no line like {pattern!r} in the log:\n{self.log()[-2000:]}")
            time.sleep(0.01)

    def stop(self):
        self.process.terminate()
        return self.process.wait(timeout=10)

    def client(self, timeout_ms=10000, source=None):
        return Client(self.port, timeout_ms, source=source)

    def logs(self, folder=None):
        return sorted((folder or self.data).glob("version-2/log.*"), key=lambda path: int(path.name.split(".")[1], 16))

    def snapshots(self):
        return sorted(path for path in self.data.glob("version-2/snapshot.*") if not path.name.endswith(".tmp"))


class Client:
    """A connection with a session, unless timeout_ms is None."""

    def __init__(self, port, timeout_ms=10000, sid=0, password=b"\0" * 16, source=None):
        self.connection = wire.Connection.__new__(wire.Connection)
        self.connection.socket = socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0) if source else None)
        self.connection.pending = b""
        self.xid, self.reply = 0, None
        if timeout_ms is not None:
            self.connection.send(wire.connect_request(0, timeout_ms, sid, password))
            self.reply = wire.connect_reply(self.connection.read_frame())

    def frame(self, op, **fields):
        self.xid += 1
        fields = {"op": op, "data": b"", "acl": WORLD, "flags": 0, "version": -1, **fields}
        return wire.frame(fields, wire.FIXED_XID.get(op, self.xid), None)

    def ask(self, op, **fields):
        self.connection.send(self.frame(op, **fields))
        return self.connection.next()

    def done(self, op, **fields):
        reply = self.ask(op, **fields)
        expect(reply.err == 0, f"{op} {fields.get('path')}: error {reply.err}")
        return reply

    def close(self):
        self.connection.close()

    def is_closed(self, seconds=5):
        """By a close or a reset, within that time."""
        return self.end(seconds) in ("closed", "reset")

    def end(self, seconds=5):
        self.connection.socket.settimeout(seconds)
        try:
            while self.connection.socket.recv(65536):
                pass
            return "closed"
        except (ConnectionResetError, BrokenPipeError):
            return "reset"
        except TimeoutError:
            return "open"

"""Clients around a membership that changes: who asks for the change, who writes meanwhile, who watches."""

import contextlib
import socket
import struct
import threading
import time

from kazoo.client import KazooClient
from kazoo.exceptions import EXCEPTIONS, ConnectionLoss, KazooException, OperationTimeoutError, SessionExpiredError
from kazoo.handlers.threading import KazooTimeoutError

from ensemble import Failed

PATIENCE = 30  # seconds; nothing here depends on how soon something happens
UNANSWERED = (ConnectionLoss, SessionExpiredError, OperationTimeoutError, KazooTimeoutError)


class ReconfigDisabled(KazooException):
    """kazoo does not know it, and its thread would die of it."""
    code = -123


EXCEPTIONS[-123] = ReconfigDisabled


def require(is_so, what):
    if not is_so:
        raise Failed(what)


def wait_until(holds, what, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise Failed(f"after {seconds} s still not so: {what}")
        time.sleep(0.05)


@contextlib.contextmanager
def client_of(*servers, is_super=True, timeout=10.0):
    client = KazooClient(",".join(f"127.0.0.1:{server.port}" for server in servers), timeout=timeout)
    client.start(PATIENCE)
    try:
        if is_super:
            client.add_auth("digest", "super:secret")
        yield client
    finally:
        client.stop()
        client.close()


@contextlib.contextmanager
def connected(server):
    """A client at this server all the time; what it says of its connection while it is there."""
    with client_of(server, is_super=False) as client:
        said = []
        client.add_listener(said.append)
        yield said
        client.remove_listener(said.append)


NEW_SESSION = struct.pack(">iiqiqi16s?", 45, 0, 0, 10_000, 0, 16, b"", False)


def is_turning_away(server):
    """It closes the connection of who asks for a session, without an answer."""
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            connection.sendall(NEW_SESSION)
            return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return server.process.poll() is None  # reset


def membership(server):
    """{number: line}, and the version, as this server says in /zookeeper/config; None while it does not answer."""
    try:
        with client_of(server, is_super=False) as client:
            client.sync("/zookeeper/config")
            data, stat = client.get("/zookeeper/config")
    except UNANSWERED:
        return None
    lines = data.decode().split("\n")
    version = int(next(line[8:] for line in lines if line.startswith("version=")), 16)
    require(stat.mzxid == version and stat.version == -1,
            f"/zookeeper/config of server {server.sid} has mzxid {stat.mzxid:#x}, version {stat.version}, and says {version:#x}")
    return {int(line.split("=")[0][7:]): line for line in lines if line.startswith("server.")}, version


class Writer(threading.Thread):
    """Writes through any of the servers, and remembers what was acknowledged."""

    def __init__(self, servers, root="/written"):
        super().__init__(daemon=True)
        self.root = root
        self.acknowledged, self.unanswered = [], 0
        self.longest_gap, self.last_at = 0.0, time.monotonic()
        self.must_stop = threading.Event()
        self.problem = None
        self.client = KazooClient(",".join(f"127.0.0.1:{server.port}" for server in servers), timeout=10.0)

    def go_to(self, servers):
        """Whoever was a member may be gone: clients are told of the others, as an operator tells them."""
        self.client.set_hosts(",".join(f"127.0.0.1:{server.port}" for server in servers))

    def run(self):
        try:
            self.client.start(PATIENCE)
            self.client.ensure_path(self.root)
            number = 0
            while not self.must_stop.is_set():
                number += 1
                self.write(f"{self.root}/{number:06}")
        except Exception as problem:
            self.problem = problem
        finally:
            self.client.stop()
            self.client.close()

    def write(self, path):
        try:
            self.client.create(path, b"x")
        except UNANSWERED:
            self.unanswered += 1
            self.must_stop.wait(0.02)
            return
        now = time.monotonic()
        self.longest_gap, self.last_at = max(self.longest_gap, now - self.last_at), now
        self.acknowledged.append(path)
        self.must_stop.wait(0.002)  # a load, and not a benchmark

    def wait_for_more(self, count=30):
        wanted = len(self.acknowledged) + count
        wait_until(lambda: self.problem is not None or len(self.acknowledged) >= wanted, f"{count} more writes are acknowledged")
        if self.problem is not None:
            raise self.problem

    def finish(self):
        self.must_stop.set()
        self.join(2 * PATIENCE)
        return self.acknowledged

    def require_all_at(self, server):
        with client_of(server, timeout=30.0) as client:
            client.sync(self.root)
            there = {f"{self.root}/{name}" for name in client.get_children(self.root)}
        missing = [path for path in self.acknowledged if path not in there]
        require(not missing, f"server {server.sid} lost {len(missing)} acknowledged writes, {missing[:3]} among them")

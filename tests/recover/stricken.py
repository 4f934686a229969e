"""An ensemble of which most is lost, and `synod recover` on what is left."""

import pathlib
import re
import subprocess
import sys
import time
import typing

for suite in ("reconfig", "convert"):
    sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / suite))

import client  # of tests/datadir, found through ensemble
from cases import PATIENCE, client_of, require, wait_until
from conversions import OneLife
from ensemble import SYNOD, four_letters
from members import Server

EPOCHS_AHEAD = 0x10000


class Stricken:
    """kinds: {sid: 'java' | 'synod'}. Each has its own zoo.cfg, which it and `synod recover` rewrite."""

    def __init__(self, folder, kinds, **config):
        self.folder = folder
        self.servers = {sid: Server(sid, kind, folder, config=config) for sid, kind in kinds.items()}
        self.config = config

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self.servers.values():
            server.kill()

    def __getitem__(self, sid):
        return self.servers[sid]

    def some(self, *sids):
        return [self.servers[sid] for sid in sids]

    def begin(self):
        lines = [server.line for server in self.servers.values()]
        for server in self.servers.values():
            server.start(lines)
        wait_for(*self.servers.values())

    def newcomer(self, sid, kind="synod"):
        """Its directory is empty, and its zoo.cfg has everybody and itself; it is not started."""
        server = self.servers[sid] = Server(sid, kind, self.folder, config=self.config)
        server.configure([other.line for other in self.servers.values()])
        (server.folder / "data/initialize").unlink()
        return server

    def strike(self):
        """All at once, so that each has a log of its own."""
        running = [server for server in self.servers.values() if server.process]
        for server in running:
            server.process.kill()
        for server in running:
            server.process.wait(PATIENCE)
            server.process = None


def wait_for(*servers):
    def is_there(server):
        require(server.process.poll() is None, f"{server.kind} server {server.sid} ended with {server.process.returncode}:\n{server.log[-3000:]}")
        return server.mode() != ""
    for server in servers:
        wait_until(lambda: is_there(server), f"{server.kind} server {server.sid} serves:\n{server.log[-2000:]}")


class Served(typing.NamedTuple):
    mode: str
    epoch: int  # of the last transaction that clients are shown


def answer_of(server):
    """To srvr; empty while nobody listens."""
    try:
        return four_letters(server.port, b"srvr")
    except OSError:
        return ""


def served(server):
    """None: it serves nobody."""
    answer = answer_of(server)
    mode, zxid = (re.search(rf"^{key}: (\w+)", answer, re.MULTILINE) for key in ("Mode", "Zxid"))
    return Served(mode[1], int(zxid[1], 16) >> 32) if mode else None


def stays_so(seconds, holds, otherwise):
    """For so long, of which the shortest election takes a third."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        require(holds(), otherwise)
        time.sleep(0.05)


def came_up(*servers):
    """Whether they will serve or not, they run."""
    for server in servers:
        server.start()
    for server in servers:
        wait_until(lambda: answer_of(server), f"server {server.sid} answers:\n{server.log[-2000:]}")


def started(*servers):
    for server in servers:
        server.start()
    wait_for(*servers)


def synod(*words):
    """The finished process."""
    return subprocess.run([SYNOD, *map(str, words)], capture_output=True, text=True, timeout=PATIENCE, check=False)


def recover(servers, *words):
    return synod("recover", *words, *(server.cfg for server in servers))


def shown(servers, *words):
    ended = recover(servers, *words)
    require(ended.returncode == 0, f"synod recover ends with {ended.returncode}: {ended.stdout}{ended.stderr}")
    require("Nothing was changed" in ended.stdout, f"without a word of agreement it does not only look:\n{ended.stdout}")
    return ended.stdout


def recovered(servers, *words):
    ended = recover(servers, "--accept-lost-writes", *words)
    require(ended.returncode == 0, f"synod recover ends with {ended.returncode}: {ended.stdout}{ended.stderr}")
    return ended.stdout


def refused(ended, *whys, status=3):
    require(ended.returncode == status, f"status {ended.returncode}, expected {status}: {ended.stdout}{ended.stderr}")
    for why in whys:
        require(why in ended.stderr, f"no word of {why!r}:\n{ended.stderr}")


def kept_up_to(said):
    """The zxid that the command says all is kept up to."""
    return int(re.search(r"up to zxid 0x([0-9a-f]+)", said).group(1), 16)


def load(servers, root, end):
    """{path: zxid} of what a writer at each was acknowledged until `end`, which comes while they write."""
    writers = [OneLife([server], f"{root}-{server.sid}") for server in servers]
    [writer.start() for writer in writers]
    [writer.wait_for_more(40) for writer in writers]
    end()
    [writer.must_stop.set() for writer in writers]
    return {path: zxid for writer in writers for path, zxid in zip(writer.finish(), writer.zxids)}


def same_trees(servers, what):
    trees = []
    for server in servers:
        with client_of(server) as kazoo:
            kazoo.sync("/")
        trees.append({path: node for path, node in client.read_tree(server.port).items() if path != "/zookeeper/config"})
        client.require_equal(trees[0], trees[-1], what)
    return trees[0]


def members_of(server):
    """The numbers in /zookeeper/config, and its version."""
    with client_of(server) as kazoo:
        text = kazoo.get("/zookeeper/config")[0].decode()
    version = int(re.search(r"version=([0-9a-f]+)", text).group(1), 16)
    return {int(sid) for sid in re.findall(r"server\.(\d+)=", text)}, version


def everything(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "log"}

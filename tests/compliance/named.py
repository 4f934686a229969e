"""Servers that know each other by name: every one has an /etc/hosts of its own, in which the others' names are those of relays.

So that all have the same lines, as they must where the membership may change. It takes a private mount namespace a server.
"""

import functools
import subprocess

from fleet import Fleet
from members import Server
from scenario import Skipped
from watch import Watch

ALL = range(1, 10)  # the numbers that servers may have
WITH_HOSTS = 'mount --bind "$0" /etc/hosts && exec "$@"'


@functools.cache
def may_mount():
    return subprocess.run(["unshare", "-m", "sh", "-c", WITH_HOSTS, "/etc/hosts", "true"], capture_output=True, check=False).returncode == 0


def host_of(sid):
    return f"synod-{sid}.test"


def relay_address(learner, leader):
    return f"127.1.{learner}.{leader}"


class NamedServer(Server):
    def __init__(self, sid, *more, **options):
        super().__init__(sid, *more, **options)
        hosts = self.folder / "hosts"
        others = [f"{relay_address(sid, other)} {host_of(other)}" for other in ALL if other != sid]
        hosts.write_text("\n".join(["127.0.0.1 localhost", f"127.0.0.1 {host_of(sid)}", *others]) + "\n")
        self.prefix = ["unshare", "-m", "sh", "-c", WITH_HOSTS, str(hosts)]

    def line_as(self, role):
        return f"server.{self.sid}={host_of(self.sid)}:{self.quorum_port}:{self.election_port}:{role};127.0.0.1:{self.port}"


class NamedFleet(Fleet):
    """A fleet whose quorum ports are verified when it ends."""

    def __init__(self, folder, kind, **config):
        if not may_mount():
            raise Skipped("no private mount namespaces here, which relays between members of a changing membership need")
        super().__init__(folder, kind, **config)
        self.watch = Watch(lambda sid: self.servers[sid].is_java)

    def make(self, sid, role="participant"):
        server = NamedServer(sid, self.kind_of(sid), self.folder, role, config=self.config)
        for other in ALL:
            if other != sid:
                self.watch.relays.open(other, sid, server.quorum_port, relay_address(other, sid), server.quorum_port)
                self.watch.relays.open(other, sid, server.election_port, relay_address(other, sid), server.election_port, is_written_down=False)
        return server

    def __exit__(self, kind, *more):
        super().__exit__(kind, *more)
        self.watch.end(must_talk=kind is None)

"""An ensemble whose servers reach each other's quorum ports through relays: each one's file has the others' under other numbers."""

import places  # noqa: F401  it says where to look for the others
from ensemble import Ensemble, free_ports
from watch import Watch

TICK = 500
CONFIG = {"tickTime": TICK, "initLimit": 20, "syncLimit": 8}


class Watched(Ensemble):
    def __init__(self, folder, kinds, config=None, properties=None, observers=(), first_counter=1):
        super().__init__(folder, kinds, {**CONFIG, **(config or {})}, properties, observers)
        self.ports = {}
        self.watch = Watch(lambda sid: self.members[sid].is_java, first_counter)

    def lines_for(self, sid):
        return [other.line if other.sid == sid else other.line_at(self.relay_for(sid, other)) for other in self.members.values()]

    def relay_for(self, sid, other, at="127.0.0.1"):
        """The port under which this one finds the other."""
        if (sid, other.sid, at) not in self.ports:
            self.ports[sid, other.sid, at] = self.watch.relays.open(sid, other.sid, other.quorum_port, at)
        return self.ports[sid, other.sid, at]

    def __exit__(self, kind, *more):
        super().__exit__(kind, *more)
        self.watch.end(must_talk=kind is None)

    def brought_up(self, learner):
        """How this one was brought up to date each time that it was: DIFF, TRUNC or SNAP."""
        return [conversation.how for _, conversation in self.watch.conversations(learner) if "UPTODATE" in conversation.names(False)]

    def java_interleaved(self, learner):
        """Did a Java leader send this one a COMMIT that our leaders may not send?"""
        return any(conversation.interleaved for _, conversation in self.watch.conversations(learner))


class BehindMasters(Watched):
    """Observers who find each voter's observer master port through a relay. A port number is the same for all masters, so that to an
    observer each has an address of its own; on its own machine each has a number of its own, as they share the address."""

    def __init__(self, folder, kinds, observers=()):
        super().__init__(folder, kinds, {"quorumListenOnAllIPs": "true"}, observers=observers)
        self.master_ports = dict(zip(kinds, free_ports(len(kinds))))

    def is_observer(self, sid):
        return self.members[sid].role == "observer"

    def start(self, *sids):
        for sid in sids or self.members:
            self.members[sid].start(self.lines_for(sid), {**self.config, "observerMasterPort": self.master_ports[sid]}, self.properties)

    def lines_for(self, sid):
        if not self.is_observer(sid):
            return super().lines_for(sid)
        return [other.line if self.is_observer(other.sid) else self.line_of_master(sid, other) for other in self.members.values()]

    def line_of_master(self, sid, other):
        host = f"127.0.{sid}.{other.sid}"
        if (sid, other.sid, host) not in self.ports:
            self.ports[sid, other.sid, host] = self.watch.relays.open(sid, other.sid, self.master_ports[other.sid], host, self.master_ports[sid])
        return f"server.{other.sid}={host}:{other.quorum_port}:{other.election_port}:participant"

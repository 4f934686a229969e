"""An ensemble whose servers reach each other's quorum ports through relays: each one's file has the others' under other numbers."""

import places  # noqa: F401  it says where to look for the others
from ensemble import Ensemble
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

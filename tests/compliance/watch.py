"""What goes over relays, verified as it is asked for."""

from ensemble import Failed
from relay import Relays
from verifier import Conversation

SHOWN = 6


class Watch:
    """`is_java`: by number, when a connection is first looked at. `first_counter`: with which counter an epoch begins, None: any."""

    def __init__(self, is_java, first_counter=1):
        self.is_java, self.first_counter = is_java, first_counter
        self.relays, self.ledger, self.heard = Relays(), {}, []

    def conversations(self, learner=None, leader=None):
        """What was heard until now, (relay's connection, conversation), oldest first."""
        for connection in self.relays.connections[len(self.heard):]:
            ours = [not self.is_java(sid) for sid in (connection.leader, connection.learner)]
            self.heard.append((connection, Conversation(self.ledger, *ours, self.first_counter)))
        for connection, conversation in self.heard:
            new, connection.chunks = connection.chunks, []
            for is_learner, chunk in new:
                conversation.take(is_learner, chunk)
        return [(connection, conversation) for connection, conversation in self.heard
                if learner in (None, connection.learner) and leader in (None, connection.leader)]

    def require_clean(self, must_talk=True):
        talked = self.conversations()
        faults = [f"{rule}: {what}, server {connection.learner} under {connection.leader}, {'Java' if self.is_java(connection.leader) else 'ours'}"
                  for connection, conversation in talked for rule, what in conversation.faults]
        if faults:
            raise Failed(f"{len(faults)} faults on the wire:\n    " + "\n    ".join(faults[:SHOWN]))
        if must_talk and not any("UPTODATE" in conversation.names(False) for _, conversation in talked):
            raise Failed("nothing went through the relays")

    def end(self, must_talk):
        try:
            self.require_clean(must_talk)
        finally:
            self.relays.close()

    def words(self):
        """What was verified."""
        talked = [conversation for _, conversation in self.conversations()]
        packets = sum(len(conversation.seen) for conversation in talked)
        return f"{len(talked)} connections, {packets} packets, {len(self.ledger)} transactions verified"

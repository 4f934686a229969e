"""Commands that are executed once, whatever becomes of their answers (docs/recipes.md).

    commands = once.Commands(client, "/clients/billing-1")   # a path for each client process
    commands.execute(lambda transaction: transaction.create("/orders/17", b"three apples"))

A command is what it adds to a kazoo transaction. execute() returns once it was executed, and raises where it was refused and never will be.
"""

import time
import uuid

from kazoo.exceptions import (BadVersionError, ConnectionLoss, KazooException, NodeExistsError, OperationTimeoutError, RolledBackError,
                              RuntimeInconsistency, SessionExpiredError)
from kazoo.handlers.threading import KazooTimeoutError

UNANSWERED = (ConnectionLoss, SessionExpiredError, OperationTimeoutError, KazooTimeoutError)
ANSWER_SECONDS = 5  # then it is asked again
PAUSE_SECONDS = 0.05


class NotAlone(Exception):
    """Somebody else runs commands under this path."""


def persist(ask):
    """The answer, however often it has to be asked for: for what may be done twice."""
    while True:
        try:
            return ask()
        except UNANSWERED:
            time.sleep(PAUSE_SECONDS)


class Commands:
    """One at a time; not for several threads."""

    def __init__(self, client, path):
        self.client, self.path = client, path
        self.in_doubt = self.found_done = 0  # commands without an answer at first; those of them that had been executed
        self.process = uuid.uuid4().hex
        try:
            persist(lambda: client.create(path, b"", makepath=True))
        except NodeExistsError:
            pass  # an earlier life of this client's, or a creation whose answer was lost
        self.version = persist(lambda: client.get(path))[1].version  # so many commands were executed

    def execute(self, command):
        """The results of its parts; nothing: it was executed, and they were lost with the answer."""
        is_in_doubt = False
        while True:
            try:
                serial, *results = self.attempt(command)
            except UNANSWERED:
                self.in_doubt += not is_in_doubt
                is_in_doubt = True
                time.sleep(PAUSE_SECONDS)
                continue
            refusal = next((r for r in (serial, *results) if isinstance(r, KazooException) and not isinstance(r, (RolledBackError, RuntimeInconsistency))), None)
            if refusal is None:
                self.version += 1
                return results
            if isinstance(serial, BadVersionError):
                if not is_in_doubt or not self.was_executed():
                    raise NotAlone(self.path)
                self.found_done += 1
                return None
            if is_in_doubt and not self.seal():
                self.found_done += 1
                return None
            raise refusal

    def attempt(self, command):
        transaction = self.client.transaction()
        transaction.set_data(self.path, self.mark("command"), version=self.version)
        command(transaction)
        return transaction.commit_async().get(timeout=ANSWER_SECONDS)

    def seal(self):
        """An earlier attempt may still be on its way, though a later one was refused. True: it comes to nothing now."""
        while True:
            try:
                self.client.set_async(self.path, self.mark("seal"), version=self.version).get(timeout=ANSWER_SECONDS)
                self.version += 1
                return True
            except BadVersionError:
                return not self.was_executed()
            except UNANSWERED:
                time.sleep(PAUSE_SECONDS)

    def mark(self, what):
        return f"{what} {self.version + 1} {self.process}".encode()

    def was_executed(self):
        """The version has gone on: by an attempt of the command, or by its seal."""
        def look():  # the server may lag behind the one that refused us
            self.client.sync_async(self.path).get(timeout=ANSWER_SECONDS)
            return self.client.get_async(self.path).get(timeout=ANSWER_SECONDS)
        data, stat = persist(look)
        if stat.version != self.version + 1 or data not in (self.mark("command"), self.mark("seal")):
            raise NotAlone(self.path)
        was_executed = data == self.mark("command")
        self.version += 1
        return was_executed

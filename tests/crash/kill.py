"""Part 1: kill -9 at random moments under write load, restart on the same directory, compare with what was acknowledged."""

import random
import shutil
import struct

import failures
import judge
import wire
from load import Load, WrongAnswer, now
from server import Server, ServerDied

SLOTS = 6
PROBLEMS = (WrongAnswer, ServerDied, OSError, wire.Malformed, wire.Closed, struct.error)
FRESH_EVERY = 10  # rounds on one directory, then a new one


def look(server, histories, instant):
    """The verdict on a server that came back."""
    verdict = judge.judge(judge.observe(server.port), histories, instant)
    judge.judge_sessions(verdict, server.port, histories, instant)
    judge.judge_log(verdict, server.text())
    return verdict


def rounds(kind, folder, count, seed):
    """True if all went well."""
    chance = random.Random(f"kill {seed}")
    done = acknowledged = unanswered = 0
    failed = False
    while done < count:
        here = folder / f"from-{done}"
        here.mkdir(parents=True)
        server, load = Server(kind, here).start().wait_ready(), Load(SLOTS, f"{seed}/{done}")
        try:
            for _ in range(min(FRESH_EVERY, count - done)):
                if not one(server, load, chance, f"kill-{seed}-{done}"):
                    failed = True
                    break
                done += 1
            acknowledged += load.acknowledged
            unanswered += sum(entry.dropped is not None for history in load.histories for entry in history.entries)
        finally:
            server.kill()
        if failed:
            break
        shutil.rmtree(here)
    print(f"kill -9: seed {seed}, {done} of {count} rounds passed, {acknowledged} writes acknowledged, "
          f"{unanswered} unanswered ones did not happen", flush=True)
    return not failed


def one(server, load, chance, name):
    """Load, kill, look. The load goes on from what was found."""
    copy = server.folder / "copy"
    try:
        if not load.run(server.port, chance.uniform(0.05, 0.9)):
            raise WrongAnswer("the server went away before it was killed\n" + server.tail())
        server.kill_running()
        load.hear_out()
        shutil.copytree(server.data, copy)
        instant = now()
        server.start().wait_ready()
        verdict = look(server, load.histories, instant)
        if verdict.faults:
            raise WrongAnswer("\n  ".join(verdict.faults))
        load.settle(verdict)
        shutil.rmtree(copy)
        return True
    except PROBLEMS as e:
        failures.keep(name, f"{type(e).__name__}: {e}", load.histories, {"kind": "kill", "server": server.kind, "instant": now()}, copy, [server.log])
        return False


def replay(folder, facts, histories, work):
    shutil.copytree(folder / "data", work / "data")
    server = Server(facts["server"], work).start()
    try:
        return look(server.wait_ready(), histories, facts["instant"]).faults
    finally:
        server.kill()

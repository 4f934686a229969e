"""Part 2: power cuts. One recorded run under load (its server is killed and restarted in the middle, so that recovery is
recorded too); then, for many instants of it, the directory that a cut would have left, and a server started on it."""

import random
import shutil

import calls
import disk
import failures
import judge
import kill
import wire
from load import ANYONE, Load, WrongAnswer, now
from server import Server

SLOTS = 6
FLUSH_US = 4000  # a flush takes up to so much more than here: acknowledging before its end shows


class Recording:
    def __init__(self, folder, seed, config=(), seconds=0.7):
        self.folder, self.seed, self.begin = folder, seed, now()
        folder.mkdir(parents=True)
        data = folder / "data"
        self.load, self.trace = Load(SLOTS, seed), folder / "trace"
        self.server = Server("synod", folder, data, config, calls.environment(data, self.trace, FLUSH_US))
        self.seconds = seconds  # of each of the server's three lives

    def make(self):
        try:
            self.live(self.server, self.seconds)
        finally:
            self.server.kill()
        self.calls = calls.read(self.trace, self.server.data)
        self.end = max(call.end for call in self.calls)
        self.check_complete(self.server.data)

    def live(self, server, seconds):
        server.start().wait_ready()
        for is_last in (False, False, True):
            if not self.load.run(server.port, seconds):
                raise WrongAnswer("the server went away\n" + server.tail())
            if is_last:
                if (status := server.stop()) != 0:
                    raise WrongAnswer(f"SIGTERM ended the server with {status}\n" + server.tail())
                self.load.hear_out()
                return
            server.kill_running()
            self.load.hear_out()
            instant = now()
            server.start().wait_ready()
            verdict = kill.look(server, self.load.histories, instant)
            if verdict.faults:
                raise WrongAnswer("\n  ".join(verdict.faults))
            self.load.settle(verdict)

    def check_complete(self, data):
        """The trace must tell the whole story: played to its end, it gives the directory as it is."""
        told = disk.Disk(self.calls, self.end + 1).everything()
        there = {str(path.relative_to(data)): None if path.is_dir() else path.read_bytes() for path in data.rglob("*")}
        wrong = [path for path in told.keys() | there.keys() if told.get(path, 0) != there.get(path, 0)]
        if wrong:
            raise WrongAnswer(f"the recording is incomplete: it does not explain {wrong}")

    def instants(self, count):
        """Moments to cut at: any; around flushes and changes of names; just when an acknowledgement came."""
        chance = random.Random(f"cuts {self.seed}")
        names = [c for c in self.calls if c.kind in ("rename", "unlink", "mkdir") or c.kind == "open" and c.offset & 0o100]
        flushes = [c for c in self.calls if c.kind == "flush"]
        heard = [e.acked for h in self.load.histories for e in h.entries if e.acked]
        for _ in range(count):
            kind = chance.random()
            if kind < 0.25:
                yield chance.randint(self.begin, self.end)
            elif kind < 0.5:
                yield chance.choice(heard)
            else:
                call = chance.choice(names if kind < 0.75 and names else flushes)
                yield chance.choice([call.start, call.end]) + chance.choice([-1, 0, 1, 1000, 300_000, 2_000_000])


def cut(recording, instant, luck_seed, mood, kind, work, name):
    """(verdict, None) or (None, why it could not be judged)."""
    left = disk.Disk(recording.calls, instant).left(disk.Luck(mood, luck_seed, instant))
    facts = {"kind": "power", "server": kind, "instant": instant, "mood": mood}
    work.mkdir()
    disk.lay_out(left, work / "data")
    verdict, why = start_on(work, kind, recording.load.histories, instant, must_repair=kind == "java" and java_refuses(left))
    reason = why or "\n  ".join(verdict.faults)
    if reason and name:
        before = work / "before"
        disk.lay_out(left, before)
        failures.keep(name, reason, recording.load.histories, facts, before, [work / "synod.log", work / "java.log", recording.trace])
    shutil.rmtree(work)
    return verdict, why


def java_refuses(left):
    """Java 3.8 does not start when the last log's header is missing (3.9.3 forgives an empty file)."""
    logs = sorted((int(path.rpartition(".")[2], 16), content) for path, content in left.items() if "/log." in path)
    return bool(logs) and logs[-1][1][:4] != b"ZKLG"


def start_on(work, kind, histories, instant, must_repair=False):
    """Starts a server on work/data, looks, writes one more, kills it, starts it again: nothing may have changed."""
    server = Server(kind, work)
    try:
        if must_repair:
            Server("synod", work).start().wait_ready().stop()
        server.start().wait_ready()
        verdict = kill.look(server, histories, instant)
        if kind == "synod" and not verdict.faults:
            check_again(server, judge.observe(server.port), verdict)
        return verdict, None
    except kill.PROBLEMS as e:
        return None, f"{type(e).__name__}: {e}"
    finally:
        server.kill()


def check_again(server, tree, verdict):
    connection = wire.Connection(server.port)
    connection.send(wire.connect_request(0, 10000, 0, b"\0" * 16))
    connection.read_frame()
    judge.ask(connection, [{"op": "create", "path": "/after", "data": "", "acl": ANYONE, "flags": 0}])
    connection.close()
    server.kill()
    server.start().wait_ready()
    again = judge.observe(server.port)
    if again != tree:
        different = [path for path in tree.keys() | again.keys() if tree.get(path) != again.get(path)]
        verdict.fault(f"a second start gives another tree: {sorted(different)[:5]}")
    judge.judge_log(verdict, server.text())


def recorded(recording, name):
    """Whether the run went as it should: without a fault of the server, or of the recording."""
    try:
        recording.make()
        return True
    except kill.PROBLEMS as e:
        failures.keep(name.replace(" ", "-"), f"{type(e).__name__}: {e}", recording.load.histories,
                      {"kind": "kill", "server": "synod", "instant": now()}, recording.server.data, [recording.server.log, recording.trace])
        return False


class Sums:
    def __init__(self):
        self.is_broken = False
        self.cuts = self.java = self.recordings = self.acknowledged = self.checked = self.losses = self.failed = 0


def cuts(folder, count, java, seed, per_recording, config=(), keeps=True):
    """Records and cuts; the sums. Without `keeps` failures are expected: they are counted, not reported."""
    sums = Sums()
    chance = random.Random(f"power {seed}")
    while sums.cuts < count and not (keeps and sums.failed >= 5):
        here = folder / f"recording-{sums.recordings}"
        recording = Recording(here, f"{seed}/{sums.recordings}", config)
        if not recorded(recording, f"recording-{seed}-{sums.recordings}"):
            sums.is_broken = True
            return sums
        sums.recordings += 1
        sums.acknowledged += recording.load.acknowledged
        for instant in recording.instants(min(per_recording, count - sums.cuts)):
            with_java = sums.java < java and (sums.cuts % max(1, count // java)) == 0
            mood = chance.choice(["nothing", "in order", "all"] if with_java else disk.Luck.MOODS)
            name = f"power-{seed}-{sums.cuts}" if keeps else None
            verdict, why = cut(recording, instant, chance.random(), mood, "java" if with_java else "synod", folder / "cut", name)
            sums.cuts += 1
            sums.java += with_java
            sums.failed += bool(why or verdict.faults)
            sums.losses += verdict.lost if verdict else 0
            sums.checked += verdict.acknowledged if verdict else 0
        shutil.rmtree(here)
    return sums


def rounds(folder, count, java, seed, per_recording):
    sums = cuts(folder, count, java, seed, per_recording)
    print(f"power cuts: seed {seed}, {sums.cuts} cuts ({sums.java} with Java) of {sums.recordings} recorded runs, {sums.acknowledged} writes "
          f"acknowledged in them, {sums.checked} checked after the cuts, {sums.losses} lost, {sums.failed} cuts failed", flush=True)
    return not sums.is_broken and sums.failed == 0


def without_flushing(folder, count, seed):
    """The proof that losses are seen: forceSync=no must lose acknowledged writes."""
    sums = cuts(folder, count, 0, f"unflushed {seed}", count, {"forceSync": "no"}, keeps=False)
    print(f"power cuts without flushing (must lose): seed {seed}, {sums.cuts} cuts, {sums.acknowledged} writes acknowledged, "
          f"{sums.losses} found lost, {sums.failed} cuts failed", flush=True)
    if sums.losses == 0:
        print("FAILED: forceSync=no lost nothing, so this test could not have seen a loss")
    return sums.losses > 0 and not sums.is_broken


def replay(folder, facts, histories, work):
    shutil.copytree(folder / "data", work / "data")
    verdict, why = start_on(work, facts["server"], histories, facts["instant"])
    return [why] if why else verdict.faults

"""What goes wrong: each fault is a generator that breaks something, yields how many seconds it lasts, and tidies what it alone knows.

Afterwards everything is healed (`Cluster.heal`): cuts mended, paused servers resumed, dead ones started.
"""

import os
import pathlib
import signal
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent


def build_shim(folder):
    """The crash test's: it makes chosen flushes fail, or all of them slow."""
    library = pathlib.Path(folder) / "shim.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(HERE.parent / "crash" / "shim.c"), "-ldl"], check=True)
    return library


class Faults:
    def __init__(self, cluster, clients, rng, shim, has_network, has_own_disk):
        self.cluster, self.clients, self.rng, self.shim = cluster, clients, rng, shim
        self.kinds = [self.kill_leader, self.kill_follower, self.kill_two, self.kill_all, self.pause_leader, self.pause_follower,
                      self.flapping_leader, self.pause_all, self.wiped_follower, self.pause_clients]
        if not cluster.has_java:  # ZooKeeper's own servers lose writes then: run it by --java --only wiped_with_lagging
            self.kinds.append(self.wiped_with_lagging)
        self.skipped = []
        if has_network:
            self.kinds += [self.isolate_leader, self.isolate_follower, self.one_way_from_leader, self.one_way_to_leader, self.cut_all,
                           self.bridge, self.clients_cut_from_leader, self.clients_cut_from_all]
        else:
            self.skipped.append("network cuts")
        self.kinds.append(self.slow_disk)
        if cluster.has_java:
            self.skipped.append("failing and full disks: ZooKeeper's servers go on with a hole in the log (ZOOKEEPER-4882) and lose writes")
        else:
            self.kinds.append(self.failing_flush)
            if has_own_disk:
                self.kinds += [self.full_disk_leader, self.full_disk_follower]
            else:
                self.skipped.append("full disks")

    def some(self):
        return self.rng.choice(list(self.cluster.servers.values()))

    def leader(self):
        return self.cluster.leader() or self.some()

    def follower(self):
        leader = self.cluster.leader()
        return self.rng.choice([s for s in self.cluster.servers.values() if s is not leader])

    def others(self, server):
        return [s for s in self.cluster.servers.values() if s is not server]

    def long(self):
        return self.rng.uniform(1.0, 5.0)

    def kill_leader(self):
        self.leader().kill()
        yield self.long()

    def kill_follower(self):
        self.follower().kill()
        yield self.long()

    def kill_two(self):
        for server in self.rng.sample(list(self.cluster.servers.values()), 2):
            server.kill()
        yield self.rng.uniform(0.2, 3.0)

    def kill_all(self):
        for server in self.cluster.servers.values():
            server.kill()
        yield self.rng.uniform(0.0, 1.0)

    def pause_leader(self):
        self.leader().pause()
        yield self.long() + 2

    def pause_follower(self):
        self.follower().pause()
        yield self.long() + 2

    def flapping_leader(self):
        """Paused again and again, for less than the others need to give it up or for more."""
        leader = self.leader()
        for _ in range(3):
            leader.pause()
            yield self.rng.uniform(0.2, 3.5)
            leader.resume()
            yield self.rng.uniform(0.1, 1.0)

    def pause_all(self):
        for server in self.cluster.servers.values():
            server.pause()
        yield self.long()

    def pause_clients(self):
        """Some of them, for less or more than their sessions last."""
        paused = self.rng.sample(self.clients.processes, 3)
        for process in paused:
            os.kill(process.pid, signal.SIGSTOP)
        try:
            yield self.rng.uniform(3.0, 9.0)
        finally:
            for process in paused:
                os.kill(process.pid, signal.SIGCONT)

    def wiped_follower(self):
        """It comes back with nothing, while the others go on."""
        follower = self.follower()
        follower.kill()
        follower.wipe()
        yield self.rng.uniform(0.0, 2.0)

    def wiped_with_lagging(self):
        """One server missed the last writes, another lost its disk: these two together must not pass for a quorum."""
        leader = self.leader()
        lagging, wiped = self.others(leader)
        lagging.kill()
        yield self.rng.uniform(1.0, 3.0)
        leader.kill()
        wiped.kill()
        wiped.wipe()
        lagging.start()
        wiped.start()
        yield 6.0

    def isolate_leader(self):
        yield self.isolate(self.leader())

    def isolate_follower(self):
        yield self.isolate(self.follower())

    def isolate(self, server):
        """From its peers; half of the time from the clients, too."""
        for other in self.others(server):
            self.cluster.network.cut(server.sid, other.sid)
        if self.rng.random() < 0.5:
            self.cluster.network.cut(server.sid, 0)
        return self.long() + 3

    def one_way_from_leader(self):
        leader = self.leader()
        for other in self.others(leader):
            self.cluster.network.drop(leader.sid, other.sid)
        yield self.long() + 3

    def one_way_to_leader(self):
        leader = self.leader()
        for other in self.others(leader):
            self.cluster.network.drop(other.sid, leader.sid)
        yield self.long() + 3

    def cut_all(self):
        one, two, three = self.cluster.servers
        for pair in ((one, two), (two, three), (one, three)):
            self.cluster.network.cut(*pair)
        yield self.long() + 2

    def bridge(self):
        """Two do not see each other, the third sees both."""
        one, two = self.rng.sample(list(self.cluster.servers), 2)
        self.cluster.network.cut(one, two)
        yield self.long() + 3

    def clients_cut_from_leader(self):
        self.cluster.network.cut(self.leader().sid, 0)
        yield self.long()

    def clients_cut_from_all(self):
        for sid in self.cluster.servers:
            self.cluster.network.cut(sid, 0)
        yield self.rng.uniform(0.5, 5.0)

    def full_disk_leader(self):
        yield from self.full_disk(self.leader())

    def full_disk_follower(self):
        yield from self.full_disk(self.follower())

    def full_disk(self, server):
        """It must stop before it says yes to anything more."""
        server.may_end = True
        server.fill_disk()
        yield self.long() + 2
        server.end()

    def restart_with(self, server, environment):
        server.kill()
        server.start({"LD_PRELOAD": str(self.shim), "SYNOD_CRASH_DIR": str(server.data), "SYNOD_CRASH_TRACE": "/dev/null", **environment})

    def failing_flush(self):
        """A flush of the log fails, some time after the start."""
        server = self.some()
        self.restart_with(server, {"SYNOD_CRASH_FAULT": f"flush:/log.:{self.rng.randrange(20, 200)}:5"})
        yield 4 + self.long()
        server.end()

    def slow_disk(self):
        """Each flush of one server takes up to 150 ms more."""
        server = self.some()
        self.restart_with(server, {"SYNOD_CRASH_FLUSH_US": "150000"})
        yield 4 + self.long()
        server.end()


class Schedule:
    """One fault after another, each kind once before any comes again; between them the cluster must come back."""

    def __init__(self, faults, rng, only=(), pairs=0.0):
        self.faults, self.rng, self.left, self.only = faults, rng, [], only
        self.pairs = pairs  # how often two come at once
        self.count, self.recoveries, self.times = {}, [], []

    def all_kinds(self):
        if not self.only:
            return list(self.faults.kinds)
        return [getattr(self.faults, name) for name in self.only]

    def next(self, beside=None):
        """No two that wipe at once: what two of three had acknowledged would be gone."""
        if not self.left:
            self.left = self.all_kinds()
            self.rng.shuffle(self.left)
        if beside and "wiped" in beside.__name__ and "wiped" in self.left[-1].__name__:
            return None
        kind = self.left.pop()
        self.count[kind.__name__] = self.count.get(kind.__name__, 0) + 1
        return kind

    def run_one(self, until, say):
        """One fault (or two), the healing, and the wait until all serve; it breaks nothing any more after `until`."""
        kinds = [self.next()]
        if self.rng.random() < self.pairs and (second := self.next(beside=kinds[0])):
            kinds.append(second)
        said, began = " with ".join(kind.__name__ for kind in kinds), time.monotonic()
        self.times.append((began, said))
        going = [kind() for kind in kinds]
        while going:
            waits = [next(fault, None) for fault in going]
            going = [fault for fault, wait in zip(going, waits) if wait is not None]
            time.sleep(max(0.0, min(max((wait for wait in waits if wait is not None), default=0.0), until - time.monotonic())))
        lasted = time.monotonic() - began
        self.faults.cluster.heal()
        took = self.faults.cluster.wait()
        self.recoveries.append((took, said))
        say(f"{said} for {lasted:.1f} s, all serve {took:.1f} s later")

    def at(self, moment):
        """The fault that had begun last by then."""
        return next((said for began, said in reversed(self.times) if began <= moment), "no fault")

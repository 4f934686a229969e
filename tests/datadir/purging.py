"""Purging: on by default, never more than may go; off when the configuration says so."""

import random
import time

import client
from client import Client
from directory import Server, copy, files, require
from load import Load

OPERATIONS, SNAP_COUNT, KEPT = 600, 150, 3


def settle(data):
    """Purging follows a snapshot in the background: wait until the directory is at rest."""
    before, since, deadline = None, time.monotonic(), time.monotonic() + 20
    while time.monotonic() < deadline:
        now = (sorted(files(data, "snapshot")), sorted(files(data, "log")))
        if now != before:
            before, since = now, time.monotonic()
        elif time.monotonic() - since > 0.7:
            break
        time.sleep(0.05)
    return before


def write_snapshots(port, data, count):
    """Writes until so many more were taken: one at a time, however slow the disk is."""
    newest, deadline = max(files(data, "snapshot")), time.monotonic() + 60
    with Client(port) as writer:
        writer.must(client.create("/rewritten"))
        while count and time.monotonic() < deadline:
            writer.many([{"op": "setData", "path": "/rewritten", "data": "x", "version": -1}] * (SNAP_COUNT // 3))
            if max(files(data, "snapshot")) > newest:
                newest, count = max(files(data, "snapshot")), count - 1
    require(not count, count, "snapshots were not taken within a minute")


def purged(folder, seed, config, expectation):
    load = Load(random.Random(f"{seed} purge"))
    with Server("synod", folder, {"snapCount": SNAP_COUNT, **config}) as server:
        load.run(server.port, OPERATIONS)
        write_snapshots(server.port, folder / "data", 2 * KEPT + 1)
        tree = client.read_tree(server.port)
        snapshots, logs = settle(folder / "data")
        expectation(snapshots, logs)
        server.kill()
    return tree, snapshots, logs


def require_few(snapshots, logs):
    require(len(snapshots) == KEPT, "snapshots kept:", snapshots)
    require(logs[0] > 1, "the first log is still there")
    require(logs[0] <= snapshots[0] + 1, "the log behind the oldest snapshot is missing:", snapshots, logs)
    require(len(logs) < 3 or logs[1] > snapshots[0], "a log that nobody needs was kept:", snapshots, logs)


def require_all(snapshots, logs):
    require(len(snapshots) > 2 * KEPT, "few snapshots:", snapshots)
    require(logs[0] == 1, "logs:", logs)


def require_opens(folder, tree, snapshots):
    """By both, from the newest snapshot, and from each older one when the newer are lost."""
    for lost in range(len(snapshots)):
        for kind in ("synod", "java") if lost in (0, len(snapshots) - 1) else ("synod",):
            place = copy(folder / "data", folder.with_name(f"{folder.name}-{kind}-{lost}"))
            if lost:
                for path in list(files(place / "data", "snapshot").values())[-lost:]:
                    path.unlink()
            with Server(kind, place) as server:
                client.require_equal(tree, client.read_tree(server.port), f"{kind} opens a purged directory without its {lost} newest snapshots")
                require(not server.complaints(), kind, "complains:\n", server.text())


def run(folder, seed):
    for name, config, expectation in (("by default", {}, require_few), ("purgeInterval=0", {"autopurge.purgeInterval": 0}, require_all),
                                      ("purgeInterval=1, gz", {"autopurge.purgeInterval": 1, "snapshot.compression.method": "gz"}, require_few)):
        place = folder / name.split("=")[-1].replace(" ", "-")
        tree, snapshots, logs = purged(place, seed, config, expectation)
        require_opens(place, tree, snapshots if expectation is require_few else snapshots[-1:])
        print(f"  purging {name}: {len(snapshots)} snapshots and {len(logs)} logs stay; opened by Synod and Java{', the newest snapshots lost too' if expectation is require_few else ''}", flush=True)

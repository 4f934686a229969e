#!/usr/bin/python3
"""Part 4: the disk is full, or fails. The server stops at once with status 11 and says why; nothing acknowledged is lost.

Faults come from the shim, call by call; and, where a private mount namespace can be had, from a file system that is
really full (`full_disk.py tmpfs …` is this part's inner half, started under `unshare -m`).
"""

import errno
import os
import pathlib
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True

from server import Server  # first: it finds wire.py
import calls
import disk
import failures
import kill
import power
from load import Load, WrongAnswer, now

SLOTS, LOAD_SECONDS, STOP_SECONDS, STATUS = 4, 6, 3, 11

# (name, call, part of the file's name, which such call fails first, errno, whether the server must stop)
FAULTS = [
    ("log write, disk full", "write", "/log.", 40, errno.ENOSPC, True),
    ("log write, broken", "write", "/log.", 60, errno.EIO, True),
    ("log flush, broken", "flush", "/log.", 50, errno.EIO, True),
    ("log flush, disk full", "flush", "/log.", 30, errno.ENOSPC, True),
    ("log extension, disk full", "truncate", "/log.", 4, errno.ENOSPC, True),
    ("second log's creation, disk full", "open", "/log.", 2, errno.ENOSPC, True),
    ("second mark's write, disk full", "write", "flushedMark.tmp", 2, errno.ENOSPC, True),
    ("directory flush, broken", "flush", "/version-2$", 6, errno.EIO, None),
    ("snapshot write, disk full", "write", "/unfinished.", 2, errno.ENOSPC, False),
    ("snapshot flush, broken", "flush", "/unfinished.", 2, errno.EIO, False),
    ("snapshot rename, broken", "rename", "/snapshot.", 2, errno.EIO, False),
]


def slug(name):
    return "".join(c if c.isalnum() else "-" for c in name)


def expect(condition, text):
    if not condition:
        raise WrongAnswer(text)


def load_until_it_stops(server, load, must_stop):
    """Also checks how it stopped. Without `must_stop` it may go on; then it is killed. None: either."""
    stopped = not load.run(server.port, LOAD_SECONDS if must_stop else 2)
    status = server.wait(STOP_SECONDS) if stopped else None
    if stopped or must_stop:
        expect(stopped, "the server goes on serving")
        expect(status == STATUS, f"exit status {status}, not {STATUS}, {STOP_SECONDS} s after it stopped serving\n{server.tail()}")
    server.kill()
    load.hear_out()


def check_reason(server, code):
    expect(os.strerror(code).lower() in server.text().lower(), f"its log does not name the reason, '{os.strerror(code)}'\n{server.tail()}")


def look_again(server, load, instant):
    server.environment = {}
    server.start().wait_ready()
    verdict = kill.look(server, load.histories, instant)
    expect(not verdict.faults, "\n  ".join(verdict.faults))
    server.kill()


def injected(folder, fault, seed):
    """Returns the acknowledged writes."""
    name, call, part, first, code, must_stop = fault
    folder.mkdir(parents=True)
    trace, load = folder / "trace", Load(SLOTS, f"{seed}/{name}")
    server = Server("synod", folder, environment=calls.environment(folder / "data", folder / "trace", 1000, f"{call}:{part}:{first}:{code}"))
    try:
        server.start().wait_ready()
        load_until_it_stops(server, load, must_stop)
        instant = now()
        recorded = calls.read(trace, folder / "data")
        failed = [c for c in recorded if c.error]
        expect(failed, "the fault never came up: the test is not what it says")
        check_reason(server, code)
        # What the failed flush had been given may be gone, too.
        left = disk.Disk(recorded, instant).left(disk.Luck("nothing", 0, instant))
        work = folder / "cut"
        work.mkdir()
        disk.lay_out(left, work / "data")
        verdict, why = power.start_on(work, "synod", load.histories, instant)
        expect(not why and not verdict.faults, f"after a power cut as well: {why or verdict.faults}")
        look_again(server, load, instant)
        return load.acknowledged
    except kill.PROBLEMS as e:
        failures.keep(f"disk-{seed}-{slug(name)}", f"{type(e).__name__}: {e}", load.histories,
                      {"kind": "kill", "server": "synod", "instant": now()}, folder / "data", [server.log, trace])
        return None
    finally:
        server.kill()


def tmpfs(folder, snap_count, seed):
    """Within a mount namespace of our own: a file system of a few megabytes as the data directory."""
    data = folder / "data"
    data.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", data], capture_output=True, text=True)
    if mounted.returncode:
        print("SKIP a full file system: cannot mount:", mounted.stderr.strip())
        return 0
    load, server = Load(SLOTS, seed), Server("synod", folder, data, {"snapCount": snap_count})
    try:
        server.start().wait_ready()
        load_until_it_stops(server, load, True)
        check_reason(server, errno.ENOSPC)
        instant = now()
        subprocess.run(["mount", "-o", "remount,size=64m", data], check=True)
        look_again(server, load, instant)
        print(f"full file system: snapCount {snap_count}, {load.acknowledged} writes acknowledged, none lost")
        return 0
    except kill.PROBLEMS as e:
        failures.keep(f"disk-{seed}-tmpfs-{snap_count}", f"{type(e).__name__}: {e}", load.histories,
                      {"kind": "kill", "server": "synod", "instant": now()}, data, [server.log])
        return 1
    finally:
        server.kill()


def in_namespace(folder, snap_count, seed):
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        print("SKIP a full file system: needs root and unshare")
        return True
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        print("SKIP a full file system: no mount namespace to be had here")
        return True
    command = ["unshare", "-m", "--propagation", "private", sys.executable, __file__, "tmpfs", folder, str(snap_count), seed]
    return subprocess.run(command, timeout=120).returncode == 0


def rounds(folder, seed):
    figures = [injected(folder / str(number), fault, seed) for number, fault in enumerate(FAULTS)]
    good = [figure for figure in figures if figure is not None]
    print(f"failing disk: seed {seed}, {len(good)} of {len(FAULTS)} faults survived, {sum(good)} writes acknowledged", flush=True)
    full = [in_namespace(folder / f"full-{count}", count, seed) for count in (1_000_000, 1200)]
    return len(good) == len(FAULTS) and all(full)


if __name__ == "__main__":
    sys.exit(tmpfs(pathlib.Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))

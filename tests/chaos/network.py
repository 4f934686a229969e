"""A network to cut: each server in a network namespace of its own, a router in one more, the test and its clients in theirs.

    clients 10.77.0.2 ── 10.77.0.1 ┐
    server i 10.77.i.2 ── 10.77.i.1 ┴ router        every packet passes through it; it drops those it is told to

Dropping is silent and has a direction, as a broken switch's. A namespace lives as long as the process that holds it, and that
ends with the test: nothing is left to clean up. The whole test runs in namespaces of its own (`enter`).
"""

import ctypes
import os
import signal
import subprocess
import sys
import time

ENTERED = "SYNOD_CHAOS_ENTERED"
CLIENTS = "10.77.0.2"


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: {done.stdout.strip()}")


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def why_not():
    """None if namespaces may be made here, else the reason."""
    for tool in ("unshare", "nsenter", "ip", "mount"):
        if subprocess.run(["sh", "-c", f"command -v {tool}"], stdout=subprocess.DEVNULL).returncode != 0:
            return f"there is no {tool}"
    probe = subprocess.run([*unshare(), "sh", "-c", "ip link set lo up && unshare -n true && ip rule add blackhole from 10.9.9.9 to 10.9.9.8"],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return None if probe.returncode == 0 else f"no network namespaces here: {probe.stdout.strip()}"


def unshare():
    return ["unshare", "--net", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]


def enter():
    """Starts this program again inside namespaces of its own."""
    os.environ[ENTERED] = "1"
    os.execvp("unshare", [*unshare(), sys.executable, *sys.argv])


def is_entered():
    return ENTERED in os.environ


class Namespace:
    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, preexec_fn=die_with_parent)
        mine, deadline = os.readlink("/proc/self/ns/net"), time.monotonic() + 5
        while os.readlink(f"/proc/{self.holder.pid}/ns/net") == mine:
            if time.monotonic() > deadline:
                raise OSError("a namespace does not come up")
            time.sleep(0.005)

    @property
    def pid(self):
        return str(self.holder.pid)

    def command(self, *command):
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *command]

    def run(self, *command):
        run(*self.command(*command))

    def close(self):
        self.holder.kill()
        self.holder.wait()


class Network:
    """`hosts`: the address of each server, by number."""

    def __init__(self, servers):
        self.router, self.namespaces, self.dropped = Namespace(), {}, set()
        self.router.run("ip", "link", "set", "lo", "up")
        self.router.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        run("ip", "link", "set", "lo", "up")
        self.cable(0, None)
        for sid in servers:
            self.namespaces[sid] = Namespace()
            self.namespaces[sid].run("ip", "link", "set", "lo", "up")
            self.cable(sid, self.namespaces[sid])
        self.hosts = {sid: f"10.77.{sid}.2" for sid in servers}

    def cable(self, number, namespace):
        inside = (lambda *words: namespace.run("ip", *words)) if namespace else (lambda *words: run("ip", *words))
        peer = namespace.pid if namespace else str(os.getpid())
        self.router.run("ip", "link", "add", f"r{number}", "type", "veth", "peer", "name", "up0")
        self.router.run("ip", "link", "set", "up0", "netns", peer)
        self.router.run("ip", "addr", "add", f"10.77.{number}.1/24", "dev", f"r{number}")
        self.router.run("ip", "link", "set", f"r{number}", "up")
        inside("addr", "add", f"10.77.{number}.2/24", "dev", "up0")
        inside("link", "set", "up0", "up")
        inside("route", "add", "default", "via", f"10.77.{number}.1")

    def drop(self, source, target):
        """From now on no packet gets from server to server (0: the clients)."""
        if (source, target) not in self.dropped:
            self.router.run("ip", "rule", "add", "blackhole", "from", f"10.77.{source}.2", "to", f"10.77.{target}.2")
            self.dropped.add((source, target))

    def cut(self, one, other):
        self.drop(one, other)
        self.drop(other, one)

    def heal(self):
        for source, target in sorted(self.dropped):
            self.router.run("ip", "rule", "del", "blackhole", "from", f"10.77.{source}.2", "to", f"10.77.{target}.2")
        self.dropped.clear()

    def command(self, sid, *command):
        return self.namespaces[sid].command(*command)

    def close(self):
        for namespace in [*self.namespaces.values(), self.router]:
            namespace.close()


class Loopback:
    """Where namespaces are refused: three ports on one address, and no cutting."""

    def __init__(self, servers):
        self.hosts = {sid: f"127.0.0.{10 + sid}" for sid in servers}

    def heal(self):
        pass

    def command(self, _, *command):
        return list(command)

    def close(self):
        pass

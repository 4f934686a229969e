"""Machines zk1, zk2, zk3, each with a ZooKeeper and a Synod installed on one zoo.cfg; commands are run there as an operator would."""

import json
import os
import pathlib
import re
import shlex
import signal
import socketserver
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "mixed"))

from ensemble import SYNOD, Ensemble, Failed

CONFIG = {"tickTime": 500, "initLimit": 20, "syncLimit": 8, "snapCount": 2000}
PROGRAMS = {"zookeeper": "java", "synod": "synod"}
INSTALLED_CONFIG = "/etc/zookeeper/conf/zoo.cfg"
STOP_SECONDS, COMMAND_SECONDS = 30, 300


class Stage(Ensemble):
    def __init__(self, folder, kinds, config=None):
        super().__init__(folder, kinds, {**CONFIG, **(config or {})})
        self.folder = pathlib.Path(folder)
        (self.folder / "bin").mkdir()
        (self.folder / "bin" / "ssh").symlink_to(HERE / "remote.py")
        (self.folder / "bin" / "synod").symlink_to(pathlib.Path(SYNOD).resolve())
        self.broken = set()  # arguments of `systemctl` that fail
        self.read = dict.fromkeys(self.members, 0)  # bytes of each log
        self.holes = 0  # directories that lacked transactions when Java left them
        self.server = socketserver.ThreadingUnixStreamServer(str(self.folder / "socket"), self.handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __exit__(self, *exception):
        self.server.shutdown()
        self.server.server_close()
        super().__exit__(*exception)

    def handler(self):
        stage = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                host, *words = json.loads(self.rfile.readline())
                try:
                    status, said = stage.on(host, shlex.split(" ".join(words)))
                except Failed as failed:
                    status, said = 1, f"{failed}\n"
                self.wfile.write(json.dumps({"status": status, "said": said}).encode() + b"\n")
        return Handler

    # -- On a machine

    def on(self, host, words):
        """(exit status, output) of a command on a machine."""
        member = self.members[int(host.removeprefix("zk"))]
        if words[:1] == ["systemctl"] and words[1:2] in (["stop"], ["start"]) and len(words) == 3:
            if " ".join(words[1:]) in self.broken:
                return 5, f"Failed to {words[1]} {words[2]}.service: broken by the test\n"
            getattr(self, "unit_" + words[1])(member, PROGRAMS[words[2]])
            return 0, ""
        if words[:2] == ["synod", "check"]:
            done = subprocess.run([SYNOD, "check", self.here(words[2], member)], capture_output=True, text=True, check=False)
            return done.returncode, done.stdout + done.stderr
        return 127, f"{host}: {shlex.join(words)}: not on this stage\n"

    def news(self):
        """What each log says since the last call."""
        for sid, member in self.members.items():
            with open(member.folder / "log", "rb") as log:
                log.seek(self.read[sid])
                said = log.read()
            self.read[sid] += len(said)
            yield member, said.decode(errors="replace")

    def unit_stop(self, member, kind):
        if member.process is None or member.kind != kind:
            return  # systemctl is content, too
        member.signal(signal.SIGTERM)
        try:
            member.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failed(f"{kind} server {member.sid} does not stop") from None
        member.process = None

    def unit_start(self, member, kind):
        if member.process is not None:
            raise Failed(f"on zk{member.sid} {member.kind} runs still")
        member.kind = kind
        self.start(member.sid)

    # -- The operator's shell

    @property
    def addresses(self):
        return ",".join(f"127.0.0.1:{member.port}" for member in self.members.values())

    def here(self, text, member=None):
        """A line of the page with the addresses and files of this stage: those of a machine that `ssh` names, else of the first."""
        named = re.match(r"ssh zk(\d+) ", text)
        if named:
            member = self.members[int(named[1])]
        for sid, one in self.members.items():
            text = text.replace(f"zk{sid}:2181", f"127.0.0.1:{one.port}")
        return text.replace(INSTALLED_CONFIG, str((member or self.members[1]).folder / "zoo.cfg"))

    def run(self, line):
        """A line of shell; the output of both kinds together, as an operator sees it."""
        environment = {**os.environ, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "STAGE_SOCKET": str(self.folder / "socket")}
        return subprocess.run(["bash", "-c", self.here(line)], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=COMMAND_SECONDS, check=False)

    def follow(self, words, doing):
        """A command that is run without hooks: when it has said what a key of `doing` is, that is done. Its output."""
        process = subprocess.Popen([SYNOD, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        watchdog = threading.Timer(COMMAND_SECONDS, process.kill)
        watchdog.start()
        said, awaited = "", list(doing)
        for line in process.stdout:
            said += line
            if awaited and awaited[0] in line:
                doing[awaited.pop(0)]()
        watchdog.cancel()
        if process.wait() != 0 or awaited:
            raise Failed(f"exit status {process.returncode}; not said: {awaited}; said:\n{said}")
        return said

    def must(self, line, status=0, says=()):
        return self.judge(line, self.run(line), status, says)

    def judge(self, line, done, status=0, says=()):
        if done.returncode != status:
            logs = "".join(f"\n--- server {m.sid} ({m.kind})\n{m.log[-1500:]}" for m in self.members.values())
            raise Failed(f"exit status {done.returncode}, not {status}: {line}\n{done.stdout}{logs}")
        for text in [says] if isinstance(says, str) else says:
            if text not in done.stdout:
                raise Failed(f"'{text}' is not said by: {line}\n{done.stdout}")
        return done.stdout

    def kinds(self):
        return [member.kind for member in self.members.values()]

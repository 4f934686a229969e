"""A scripted session of ZooKeeper's own shell (ZooKeeperMain) and what it must print.

shell/*.txt hold blocks: a line to type, `----`, the expected output, a blank line; `#` starts a comment.
Where 3.9.5 and Debian's 3.8.0 differ on purpose, a block has two outputs, `---- java` and `---- synod`.
Lines that are not typed:

    $ WORDS       a shell of its own for one command; its output, then `exit CODE`
    ! restart     kill -9 the server and start it again; waits until the shell is connected again
    ! freeze N    stop the shell's process for N seconds

zxids become z1, z2, … in the order in which they first appear, times <time>, sessions <session>, and watch
events one line, `event TYPE PATH`, at the end of the block in which they came.
"""

import os
import re
import signal
import subprocess
import threading
import time

from harness import Failure, JAVA_OPTIONS, client_jars, spawn

ANSWER_SECONDS = 20
SESSION_MILLIS = 4000


class Block:
    def __init__(self, line, outputs, comment):
        self.line = line
        self.outputs = outputs  # server kind, or "" for both -> list of lines
        self.comment = comment

    def expected(self, kind):
        return self.outputs.get(kind, self.outputs.get("", []))


def read_blocks(path):
    blocks, line, outputs, current, comment = [], None, {}, None, []

    def finish():
        nonlocal line, outputs, current, comment
        if line is not None:
            blocks.append(Block(line, outputs, comment))
            line, outputs, current, comment = None, {}, None, []
    with open(path) as text:
        for raw in text:
            row = raw.rstrip("\n")
            if current is None and row.startswith("#"):
                comment.append(row)
            elif current is None and line is None:
                line = row or None
                if not row and comment:
                    comment.append("")
            elif row.startswith("----"):
                current = outputs.setdefault(row[4:].strip(), [])
            elif row == "":
                finish()
            else:
                current.append(row)
    finish()
    return blocks


def write_blocks(path, blocks):
    with open(path, "w") as text:
        for block in blocks:
            for row in block.comment:
                text.write(row + "\n")
            text.write(block.line + "\n")
            for kind, rows in block.outputs.items():
                text.write(("---- " + kind).rstrip() + "\n")
                for row in rows:
                    text.write(row + "\n")
            text.write("\n")


class Normaliser:
    """Gives ids names by their first appearance, so that equal stays equal and different stays different."""

    def __init__(self, address):
        self.address = address
        self.zxids = {}

    def zxid(self, match):
        return match.group(1) + self.zxids.setdefault(match.group(2), "z%d" % (len(self.zxids) + 1))

    def lines(self, rows):
        shown = []
        for row in rows:
            if row.startswith("ZooKeeper -server host:port"):
                shown.append("<usage>")
            elif not row.startswith("\t"):
                shown.append(self.line(row))
        return shown

    def line(self, text):
        text = text.replace(self.address, "<server>")
        text = re.sub(r"([cmp]Zxid = )(0x[0-9a-f]+)", self.zxid, text)
        text = re.sub(r"(time = ).*", r"\1<time>", text)
        text = re.sub(r"ephemeralOwner = 0x[0-9a-f]{2,}", "ephemeralOwner = <session>", text)
        text = re.sub(r"(ZooKeeper CLI version: )\S+.*", r"\1<version>", text)
        if re.match(r"\[/.*\]$", text):  # getEphemerals answers in no order
            text = "[%s]" % ", ".join(sorted(text[1:-1].split(", ")))
        return text


class Shell:
    """One ZooKeeperMain in its own process."""

    def __init__(self, server):
        self.server = server
        self.normaliser = Normaliser(server.address)
        self.lines = []
        self.arrived = threading.Condition()
        self.ended = False
        self.process = spawn(self.command(["-waitforconnection", "-timeout", str(SESSION_MILLIS)]),
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             errors="replace", cwd=server.folder)
        threading.Thread(target=self.read, daemon=True).start()
        self.until_quiet([])

    def command(self, words):
        return (["java", "-Xmx128m"] + JAVA_OPTIONS + ["-Dorg.slf4j.simpleLogger.defaultLogLevel=off", "-cp",
                client_jars(), "org.apache.zookeeper.ZooKeeperMain", "-server", self.server.address] + words)

    def read(self):
        last = ""
        for line in self.process.stdout:
            # Without a session the shell answers the marker and then complains about it.
            if line == "Not connected\n" and last.startswith("printwatches is"):
                continue
            last = line
            with self.arrived:
                self.lines.append(line.rstrip("\n"))
                self.arrived.notify_all()
        with self.arrived:
            self.ended = True
            self.arrived.notify_all()

    def wait_for(self, condition, what, seconds=ANSWER_SECONDS):
        with self.arrived:
            if not self.arrived.wait_for(lambda: condition() or self.ended, seconds) or not condition():
                raise Failure("the shell %s: %s\n%s" % (
                    "ended" if self.ended else "did not answer within %d s" % seconds, what, self.lines[-8:]))

    def type(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Failure("the shell ended before: %s\n%s" % (line, "\n".join(self.lines[-5:])))

    def until_quiet(self, expected):
        """Everything up to the answer of a marker command, then the events that are expected and still to come."""
        self.type("printwatches")
        self.wait_for(lambda: any(re.match("printwatches is (on|off)$", l) for l in self.lines), "marker")
        wanted = sorted(row for row in expected if row.startswith("event "))

        def complete():
            rows, events = self.split()
            return all(events.count(w) >= wanted.count(w) for w in wanted) and (wanted or not self.half_event())
        with self.arrived:
            self.arrived.wait_for(complete, 10 if wanted else 0.5)
            rows, events = self.split()
            self.lines = []
        return rows, sorted(events)

    def half_event(self):
        return bool(self.lines) and any(
            line == "WATCHER::" and not any(l.startswith("WatchedEvent") for l in self.lines[i + 1:])
            for i, line in enumerate(self.lines))

    def split(self):
        rows, events = [], []
        for line in self.lines:
            event = re.match(r"WatchedEvent state:(\w+) type:(\w+) path:(.*)", line)
            if event:
                state, kind, path = event.groups()
                events.append("event %s %s" % ((state, "session") if kind == "None" else (kind, path)))
            elif line not in ("", "WATCHER::") and not re.match("printwatches is (on|off)$", line):
                if not re.match(r"\d+ - printwatches$", line):
                    rows.append(line)
        return rows, events

    def run(self, block, kind):
        expected = block.expected(kind)
        if block.line.startswith("$ "):
            done = subprocess.run(self.command(["-waitforconnection"] + block.line[2:].split()), capture_output=True,
                                  text=True, timeout=60, stdin=subprocess.DEVNULL, cwd=self.server.folder)
            rows = [row for row in (done.stdout + done.stderr).split("\n") if row and not re.match(
                "Connecting to|WATCHER::|WatchedEvent state:.*type:None|Welcome|JLine", row)]
            rows.append("exit %d" % done.returncode)
            mine, events = self.until_quiet(expected)
            return self.normaliser.lines(rows + mine) + events
        if block.line == "! restart":
            self.server.kill()
            self.wait_for(lambda: "WatchedEvent state:Disconnected type:None path:null" in self.lines, "disconnected")
            self.server.start()
            self.wait_for(lambda: "WatchedEvent state:SyncConnected type:None path:null" in self.lines, "connected")
        elif block.line.startswith("! freeze"):
            self.process.send_signal(signal.SIGSTOP)
            time.sleep(float(block.line.split()[2]))
            self.process.send_signal(signal.SIGCONT)
            self.wait_for(lambda: any("state:Expired" in line for line in self.lines), "expired")
        else:
            self.type(block.line.replace("<server>", self.server.address))
        rows, events = self.until_quiet(expected)
        if block.line == "whoami":  # identities come in no order
            rows = rows[:1] + sorted(rows[1:])
        return self.normaliser.lines(rows) + events

    def close(self):
        try:
            self.type("quit")
            return self.process.wait(10)
        except (Failure, subprocess.TimeoutExpired):
            self.process.kill()
            return None


def play(path, server, outputs, report):
    """Types the file's lines and appends what each one printed to `outputs`."""
    shell = Shell(server)
    try:
        for block in read_blocks(path):
            outputs.append(shell.run(block, server.kind))
    finally:
        if shell.close() != 0:
            report("the shell did not end with 0 after quit")


def run(context, folder):
    for path in sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".txt")):
        name = os.path.basename(path)[:-4]
        if context.options.case and not re.search(context.options.case, name):
            continue
        blocks = read_blocks(path)
        kinds = [context.options.server]
        if context.compare_with_java and "java" not in kinds:
            kinds.append("java")
        outputs, servers = {}, []
        began = time.monotonic()
        try:
            def one(kind):
                problems = []
                server = context.server(kind)
                servers.append(server)
                try:
                    play(path, server, outputs.setdefault(kind, []), problems.append)
                except Exception as error:
                    problems.append("%s: %s" % (type(error).__name__, error))
                outputs[kind + " problems"] = problems
            threads = [threading.Thread(target=one, args=(kind,)) for kind in kinds]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            for server in servers:
                server.kill()
        seconds = time.monotonic() - began
        if os.environ.get("INTEROP_REWRITE"):
            for block, rows in zip(blocks, outputs.get(kinds[0], [])):
                key = kinds[0] if kinds[0] in block.outputs else ""
                block.outputs[key] = rows
            write_blocks(path, blocks)
        for kind in kinds:
            problems = list(outputs.get(kind + " problems", ["no server"]))
            for block, rows in zip(blocks, outputs.get(kind, [])):
                if rows != block.expected(kind):
                    problems.append("%s: expected %r, got %r" % (block.line, block.expected(kind), rows))
            case = "%s.%s" % (name, kind) if len(kinds) > 1 else name
            report_problems(context, case, seconds, problems, "%d commands" % len(blocks))
        if len(kinds) > 1 and all(kind in outputs for kind in kinds):
            problems = ["%s: java %r, synod %r" % (block.line, mine, theirs) for block, theirs, mine in
                        zip(blocks, outputs[kinds[0]], outputs["java"]) if mine != theirs and len(block.outputs) == 1]
            report_problems(context, name + ".same_as_java", seconds, problems, "")


def report_problems(context, case, seconds, problems, note):
    for problem in problems[:40]:
        with open(os.path.join(context.folder, "client.log"), "a") as log:
            log.write(case + ": " + problem + "\n")
    if problems:
        context.report("fail", case, seconds, "%d differences; %s" % (len(problems), problems[0]))
    else:
        context.report("pass", case, seconds, note)

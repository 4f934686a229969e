"""One server process, Synod or Java, on a directory that outlives it."""

import os
import pathlib
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "differential"))

from servers import JARS, SYNOD, ServerDied, four_letters, free_port  # noqa: E402

# Small, so that a short run has several snapshots and logs.
CONFIG = {"tickTime": 2000, "maxClientCnxns": 0, "admin.enableServer": "false", "4lw.commands.whitelist": "*",
          "snapCount": 1200, "preAllocSize": 64, "autopurge.purgeInterval": 1, "autopurge.snapRetainCount": 3}
START_SECONDS = 30


class Server:
    """`folder` gets zoo.cfg and the log; the data lies in folder/data unless told."""

    def __init__(self, kind, folder, data=None, config=(), environment=()):
        self.kind, self.folder, self.data = kind, folder, data or folder / "data"
        self.config, self.environment = {**CONFIG, **dict(config)}, dict(environment)
        self.process, self.port = None, None

    def start(self):
        self.data.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        lines = {**self.config, "dataDir": self.data, "clientPort": self.port, "clientPortAddress": "127.0.0.1"}
        cfg = self.folder / f"zoo-{self.kind}.cfg"
        cfg.write_text("".join(f"{k}={v}\n" for k, v in lines.items()))
        command = [SYNOD, "serve", str(cfg)]
        if self.kind == "java":
            flags = [f"-Dzookeeper.{key}={self.config[key]}" for key in ("snapCount", "preAllocSize")]
            command = ["java", "-Xmx512m", "-XX:+UseSerialGC", *flags, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", JARS,
                       "org.apache.zookeeper.server.ZooKeeperServerMain", str(cfg)]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                                            env={**os.environ, **self.environment})
        return self

    @property
    def log(self):
        return self.folder / f"{self.kind}.log"

    def wait_ready(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise ServerDied(f"{self.kind} ended with {self.process.returncode} at its start\n{self.tail()}")
            try:
                if b"Mode:" in four_letters(self.port, b"srvr"):
                    return self
            except OSError:
                pass
            time.sleep(0.01)
        raise ServerDied(f"{self.kind} does not serve after {START_SECONDS} s\n{self.tail()}")

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def wait(self, seconds):
        """Its exit status; None if it still runs then."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def kill_running(self):
        """For a server that must not have ended by itself."""
        self.kill()
        if self.process.returncode != -signal.SIGKILL:
            raise ServerDied(f"{self.kind} ended by itself with {self.process.returncode}\n{self.tail()}")

    def stop(self):
        """SIGTERM; its exit status."""
        self.process.terminate()
        status = self.wait(20)
        self.kill()
        return status

    def text(self):
        return self.log.read_bytes().decode("utf-8", "replace") if self.log.exists() else ""

    def tail(self):
        return self.text()[-2500:]

"""Servers whose membership changes while they run. Each keeps its own zoo.cfg, which it rewrites itself."""

import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "mixed"))

import subprocess

from ensemble import CLASS_PATHS, JAVA_FOR_TESTS, PROPERTIES, SYNOD, ZOO_CFG, Ensemble, Failed, Member

CONFIG = {**ZOO_CFG, "tickTime": 500, "initLimit": 10, "syncLimit": 4, "reconfigEnabled": "true"}


class Server(Member):
    """One process; `cfg` is written at its first start only."""

    # A Java observer remembers the change that promotes it under zxid 0. Once that is the oldest of the transactions it remembers, and it leads, a
    # blank server gets those only, and nothing from before: they are never to be more than it remembers.
    java_remembers_all = "-Dzookeeper.commitLogCount=1000000"

    def __init__(self, sid, kind, folder, role="participant", config=None):
        super().__init__(sid, kind, folder, role, java=(*JAVA_FOR_TESTS, self.java_remembers_all))
        self.config = {**CONFIG, **(config or {})}
        self.cfg = self.folder / "zoo.cfg"
        self.prefix = []  # of its command line

    @property
    def line(self):
        return self.line_as(self.role)

    def line_as(self, role):
        """As the membership has it: the client port belongs to it."""
        return f"server.{self.sid}=127.0.0.1:{self.quorum_port}:{self.election_port}:{role};127.0.0.1:{self.port}"

    def configure(self, lines):
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        (data / "myid").write_text(str(self.sid))
        (data / "initialize").touch()  # the operator's word that this directory was never anything else
        keys = {**self.config, "dataDir": data, "clientPort": self.port, "clientPortAddress": "127.0.0.1"}
        self.cfg.write_text("".join(f"{key}={value}\n" for key, value in keys.items()) + "\n".join(lines) + "\n")

    def start(self, lines=()):
        if not self.cfg.exists():
            self.configure(lines)
        flags = [f"-D{key}={value}" for key, value in PROPERTIES.items()]
        if self.is_java:
            command = ["java", *self.java, *flags, "-cp", CLASS_PATHS[self.kind], "org.apache.zookeeper.server.quorum.QuorumPeerMain", str(self.cfg)]
        else:
            command = [SYNOD, "serve", *flags, str(self.cfg)]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([*self.prefix, *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder)

"""The suites, longest first: each says what it needs and how its client is started."""

import os
import subprocess

from harness import CACHE, HERE, Unavailable


class Kazoo:
    name = "kazoo"

    def run(self, context):
        python = "/usr/bin/python3"
        if subprocess.run([python, "-c", "import kazoo"], capture_output=True).returncode != 0:
            raise Unavailable("python3-kazoo is not installed")
        context.drive(context.server(), [python, "-B", os.path.join(HERE, "kazoo_client", "suite.py")])


ALL = [Kazoo()]

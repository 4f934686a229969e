"""The suites, longest first: each says what it needs and how its client is started."""

import glob
import os
import shutil
import subprocess

import shell_session
from harness import CACHE, HERE, JAVA_OPTIONS, Unavailable, build_if_older, java_classpath


class Kazoo:
    name = "kazoo"

    def run(self, context):
        python = "/usr/bin/python3"
        if subprocess.run([python, "-c", "import kazoo"], capture_output=True).returncode != 0:
            raise Unavailable("python3-kazoo is not installed")
        context.drive(context.server(), [python, "-B", os.path.join(HERE, "kazoo_client", "suite.py")])


class Curator:
    name = "curator"

    def run(self, context):
        if shutil.which("javac") is None:
            raise Unavailable("javac is not installed")
        jars = java_classpath("curator-recipes", "curator-framework", "curator-client", "curator-x-discovery",
                              "zookeeper", "zookeeper-jute", "guava", "slf4j-api", "slf4j-simple",
                              "jackson-databind", "jackson-core", "jackson-annotations")
        classes = os.path.join(CACHE, "curator")
        sources = sorted(glob.glob(os.path.join(HERE, "curator", "*.java")))
        build_if_older(os.path.join(classes, "Driver.class"), sources,
                       ["javac", "-nowarn", "-d", classes, "-cp", jars] + sources)
        command = ["java", "-Xmx512m"] + JAVA_OPTIONS + [
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=" + os.environ.get("INTEROP_LOG", "off"),
            "-Dzookeeper.disableAutoWatchReset=false", "-cp", classes + ":" + jars, "Driver"]
        context.drive(context.server(), command)


class CClient:
    name = "c"

    def run(self, context):
        if shutil.which("cc") is None or not os.path.exists("/usr/include/zookeeper/zookeeper.h"):
            raise Unavailable("cc or libzookeeper-mt-dev is not installed")
        program = os.path.join(CACHE, "c_client")
        folder = os.path.join(HERE, "c")
        sources = sorted(glob.glob(os.path.join(folder, "*.c")))
        build_if_older(program, sources + glob.glob(os.path.join(folder, "*.h")),
                       ["cc", "-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-o", program] + sources +
                       ["-lzookeeper_mt", "-lpthread"])
        context.drive(context.server(), [program])


class Shell:
    name = "shell"

    def run(self, context):
        shell_session.run(context, os.path.join(HERE, "shell"))


ALL = [Curator(), Kazoo(), Shell(), CClient()]

#!/usr/bin/python3
"""check_layers.py accepts the arrows of the list and fails on each kind of bad one."""
import subprocess
import tempfile
import unittest
from pathlib import Path

CHECK = Path(__file__).with_name("check_layers.py")
FLOORS = """
synod_folder(NAME base SANS_IO LIBS fmt::fmt)
synod_folder(NAME jute SANS_IO DEPS base)
synod_folder(NAME state SANS_IO DEPS jute TEST_DEPS storage)
synod_folder(NAME storage SANS_IO DEPS jute)
synod_folder(NAME consensus SANS_IO DEPS base)
synod_folder(NAME consensus/solo SANS_IO DEPS consensus)
synod_folder(NAME net DEPS state LIBS OpenSSL::SSL)
"""


class CheckLayers(unittest.TestCase):
    def run_on(self, path, text):
        """Exit status and complaints for a tree whose only source is `path`."""
        with tempfile.TemporaryDirectory() as root:
            file = Path(root, "src", path)
            file.parent.mkdir(parents=True)
            file.write_text(text)
            Path(root, "cmake").mkdir()
            Path(root, "cmake/floors.cmake").write_text(FLOORS)
            done = subprocess.run([CHECK, root], capture_output=True, text=True)
            return done.returncode, done.stdout

    def accepts(self, path, text):
        self.assertEqual(self.run_on(path, text), (0, ""))

    def refuses(self, path, text, complaint):
        status, said = self.run_on(path, text)
        self.assertEqual(status, 1)
        self.assertIn(complaint, said)

    def test_down_is_allowed_however_far(self):
        self.accepts("net/a.cc", '#include "net/a.h"\n#include "base/ids.h"\n#include <thread>\n')
        self.accepts("consensus/solo/a.cc", '#include "consensus/engine.h"\n')

    def test_up_is_refused_with_file_and_line(self):
        self.refuses("state/a.cc", '\n#include "net/a.h"\n',
                     'src/state/a.cc:2: state must not include net: "net/a.h"')

    def test_sideways_is_refused(self):
        self.refuses("consensus/a.h", '#include "jute/a.h"\n', "consensus must not include jute")
        self.refuses("consensus/a.h", '#include "consensus/solo/a.h"\n', "consensus/solo")

    def test_only_tests_may_use_test_deps(self):
        self.accepts("state/a_test.cc", '#include "storage/log.h"\n')
        self.refuses("state/a.cc", '#include "storage/log.h"\n', "state must not include storage")

    def test_what_serves_tests_counts_as_test(self):
        self.accepts("state/test_support.h", '#include "storage/log.h"\n#include <fstream>\n')
        self.accepts("state/a_test.cc", '#include "state/test_support.h"\n')
        self.refuses("state/a.cc", '#include "state/test_support.h"\n', "is for tests")

    def test_includes_start_at_src(self):
        self.refuses("state/a.cc", '#include "a.h"\n', "is in no folder of src/")
        self.refuses("state/a.cc", '#include "../net/a.h"\n', "is in no folder of src/")

    def test_an_unlisted_folder_is_refused(self):
        self.refuses("extra/a.cc", "", "src/extra/a.cc:1: its folder is not listed")
        self.refuses("consensus/zab/a.cc", "", "its folder is not listed")

    def test_the_core_stays_sans_io(self):
        self.refuses("state/a.cc", "#include <mutex>\n", "state is sans-IO")
        self.refuses("state/a.cc", "#include <boost/asio/io_context.hpp>\n", "state is sans-IO")
        self.accepts("state/a.cc", "#include <boost/unordered/unordered_flat_map.hpp>\n")
        self.accepts("state/a_test.cc", "#include <thread>\n")

    def test_who_is_below_the_engines_names_none(self):
        for line in ("// Zab's SNAP", "Engine::kRaft", "raft_links()", "// omni-paxos", "Ballot b;"):
            self.refuses("state/a.h", f"#pragma once\n{line}\n",
                         "src/state/a.h:2: state must not name an engine")
        self.accepts("state/a.h", "// linearizable, in a first draft: reads=linearizable\n")
        self.accepts("state/a_test.cc", "// Under Zab.\n")
        self.accepts("consensus/a.h", "// Zab and Raft\n")


if __name__ == "__main__":
    unittest.main()

"""Runs scenarios, and says of each line of the checklist what came of it."""

import argparse
import logging
import os
import pathlib
import random
import shutil
import sys
import tempfile
import textwrap
import time
import traceback
import unittest

import places  # noqa: F401  first: it says where to look for the others
import checklist
import scenario
import verifier_test
from ensemble import Failed

logging.getLogger("kazoo").setLevel(logging.CRITICAL)
SAMPLE = 5
WIDTH = 118


def verifier_can_fail():
    suite = unittest.defaultTestLoader.loadTestsFromModule(verifier_test)
    with open(os.devnull, "w") as nowhere:
        result = unittest.TextTestRunner(stream=nowhere).run(suite)
    for _, trace in result.failures + result.errors:
        print(trace)
    print(f"  verifier: {result.testsRun} tests, {len(checklist.RULES)} rules, each of them broken and found", flush=True)
    return result.wasSuccessful()


def run_scenario(name, arguments):
    """(passed | failed | skipped, what there is to say)"""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"synod-compliance-{name.replace('/', '-')}-"))
    base, java = checklist.javas(name)
    stage = scenario.Stage(folder, arguments.long, arguments.control, java)
    began, keeps = time.monotonic(), False
    try:
        said = scenario.ALL[base](stage)
        result = "passed", f"{said} ({time.monotonic() - began:.1f} s; wire: {'; '.join(stage.verified) or 'not looked at'})"
    except scenario.Skipped as why:
        result = "skipped", str(why)
    except Exception as problem:  # whatever it is, the others still run
        result = "failed", str(problem) if isinstance(problem, Failed) else traceback.format_exc()
        keeps = "SYNOD_KEEP" in os.environ
    if keeps:
        result = "failed", f"{result[1]}\n    kept: {folder}"
    else:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"  {name}: {result[0].upper() if result[0] != 'passed' else ''}{': ' if result[0] != 'passed' else ''}{result[1]}", flush=True)
    return result


def drawn(arguments):
    """The scenarios to run: those named (by line, too), all, or the seed's share."""
    if arguments.wanted:
        return [name for name in checklist.names() if any(name == word or word in checklist.lines_of(name) for word in arguments.wanted)]
    if arguments.long:
        return checklist.names()
    turning = [name for name in checklist.names() if not name.startswith(checklist.ONLY_LONG) and "/" not in name]
    random.Random(1).shuffle(turning)  # so that neighbours are not alike; all have had their turn after so many seeds
    at = int(arguments.seed) * SAMPLE % len(turning)
    return (turning + turning)[at:at + SAMPLE]


def verdict(line, results):
    """A line has passed when all of its scenarios have."""
    ran = {name: results[name] for name in line.scenarios if name in results}
    if failed := [name for name, (result, _) in ran.items() if result == "failed"]:
        return "failed", ", ".join(failed)
    why = dict.fromkeys([said for result, said in ran.values() if result == "skipped"] + list(line.missing))
    passed = [name for name, (result, _) in ran.items() if result == "passed"]
    if left := len(line.scenarios) - len(ran):
        return ("sampled" if passed else "not drawn"), f"{len(passed)} passed, {left} not drawn"
    if why:
        return "skipped", "; ".join(why) + (f" ({len(passed)} passed)" if passed else "")
    return "passed", ", ".join(passed)


def table(results, is_whole):
    verdicts = {line: verdict(line, results) for line in checklist.LINES}
    if not is_whole:
        verdicts = {line: said for line, said in verdicts.items() if set(line.scenarios) & set(results)}
    for line, (result, why) in verdicts.items():
        print(f"  {line.id:>3}  {result:<9}  {line.what}")
        for piece in textwrap.wrap(why, WIDTH - 19):
            print(" " * 19 + piece)
    counts = {kind: [result for result, _ in verdicts.values()].count(kind) for kind in ("passed", "failed", "skipped", "sampled", "not drawn")}
    print("  " + ", ".join(f"{count} {kind}" for kind, count in counts.items() if count))


def main(words):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="all of it")
    parser.add_argument("--control", action="store_true", help="Java's server in every place, which tests the test")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--seed", default=os.environ.get("SYNOD_SEED", "1"))
    parser.add_argument("wanted", nargs="*")
    arguments = parser.parse_args(words)
    if arguments.list:
        for name in checklist.names():
            print(f"  {name}: lines {', '.join(checklist.lines_of(name))}")
        return 0
    is_sound = verifier_can_fail()
    results = {name: run_scenario(name, arguments) for name in drawn(arguments)}
    table(results, is_whole=arguments.long and not arguments.wanted)
    failed = [name for name, (result, _) in results.items() if result == "failed"]
    if failed:
        print(f"Again: tests/compliance/run {'--long ' if arguments.long else ''}{' '.join(failed)}")
    sys.stdout.flush()
    return 1 if failed or not is_sound or not results else 0

"""What a failing round leaves under build/crash/failures/: the directory, the history, and how to judge it again."""

import json
import shutil

from model import History
from calls import BUILD

FOLDER = BUILD / "failures"


def keep(name, reason, histories, facts, directory=None, files=()):
    """Says where it lies and how to replay it."""
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "reason.txt").write_text(reason + "\n")
    (folder / "round.json").write_text(json.dumps({**facts, "histories": [h.to_json() for h in histories]}))
    if directory is not None and directory.exists():
        shutil.copytree(directory, folder / "data")
    for file in files:
        if file.exists():
            shutil.copy(file, folder / file.name)
    print(f"FAILED {name}: {reason}\n  kept in {folder}\n  replay: tests/crash/run --replay {folder}", flush=True)


def load(folder):
    facts = json.loads((folder / "round.json").read_text())
    return facts, [History.from_json(h) for h in facts["histories"]]

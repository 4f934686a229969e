"""Where the helpers of the sister suites lie. Their `cases` are told apart by suite."""

import importlib.util
import pathlib
import sys

TESTS = pathlib.Path(__file__).resolve().parent.parent
for suite in ("mixed", "peers", "reconfig", "differential", "datadir", "crash"):  # the first `load` is the one that is meant
    if str(TESTS / suite) not in sys.path:
        sys.path.append(str(TESTS / suite))


def cases_of(suite):
    """The module tests/<suite>/cases.py."""
    name = f"{suite}_cases"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, TESTS / suite / "cases.py")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]

"""Shrinks a failing script: delta debugging over its steps, within a time limit."""

import time

SECONDS = 90


def last_life(steps):
    """The steps since both directories were last empty."""
    starts = [i for i, s in enumerate(steps) if s.get("do") == "servers" and s["fresh"]]
    return steps[starts[-1]:] if starts else steps


def kind_of(error):
    return None if error is None else str(error).split(":")[0][:40]


def reduce(steps, attempt):
    """`attempt(steps, number)` gives the error of a run on fresh servers, or None."""
    deadline, tries, wanted = time.monotonic() + SECONDS, 0, None

    def fails(candidate):
        nonlocal tries, wanted
        tries += 1
        try:
            kind = kind_of(attempt(candidate, tries))
        except (KeyError, IndexError, AttributeError, TypeError, ValueError):
            return False  # a step without what it builds on
        if wanted is None:
            wanted = kind
        return kind is not None and kind == wanted

    if not fails(steps):
        print("the failure does not repeat; the transcript is left whole")
        return steps
    head, body = steps[:1], steps[1:]
    body = _thin(body, lambda candidate: fails(head + candidate), deadline)
    for at, step in enumerate(body):
        if len(step.get("ops", ())) > 1 and "do" not in step:
            inside = lambda ops: fails(head + body[:at] + [{**step, "ops": ops}] + body[at + 1:])
            body = body[:at] + [{**step, "ops": _thin(step["ops"], inside, deadline)}] + body[at + 1:]
    print(f"minimised to {len(body) + 1} steps in {tries} runs")
    return head + body


def _thin(items, fails, deadline):
    """The items without the runs of them that the failure does not need; at least one stays."""
    chunk = max(1, len(items) // 2)
    while chunk and time.monotonic() < deadline:
        at = 0
        while at < len(items) and time.monotonic() < deadline:
            candidate = items[:at] + items[at + chunk:]
            if candidate and fails(candidate):
                items = candidate
            else:
                at += chunk
        chunk //= 2
    return items

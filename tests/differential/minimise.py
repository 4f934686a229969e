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
    head, body, chunk = steps[:1], steps[1:], max(1, len(steps) // 2)
    while chunk and time.monotonic() < deadline:
        at = 0
        while at < len(body) and time.monotonic() < deadline:
            candidate = body[:at] + body[at + chunk:]
            if len(candidate) < len(body) and fails(head + candidate):
                body = candidate
            else:
                at += chunk
        chunk //= 2
    print(f"minimised to {len(body) + 1} steps in {tries} runs")
    return head + body

"""Laws on every command: an exit code, one sentence, little time and memory, and no file of anybody lost."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from pathlib import Path

from fuzz.case import Fault
from fuzz.command import MAX_CPU_S, MAX_MEMORY_MIB, MAX_WRITTEN_BYTES, Ran
from fuzz.workplace import Workplace

_LONGEST = 20_000
_PYTHON = re.compile(r"\b[A-Z][A-Za-z]*(?:Error|Exception)\b|\bTraceback\b|object at 0x|StopIteration")
# Terminals obey controls, and marks that change the order of text.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def check_words(ran: Ran) -> Iterator[Fault]:
    """Yield faults of a command's exit code and of what it said."""
    said = ran.out + ran.err
    if ran.code < 0:
        yield Fault("crash", f"signal {-ran.code}", _tail(ran))
    elif ran.code not in (0, 2, 3):
        yield Fault("exit code", f"{ran.code}: {_sentence(ran)}", _tail(ran))
    elif "this is a bug" in said or _PYTHON.search(said):
        yield Fault("words", f"Python's words: {_around(said)}", _tail(ran))
    try:
        # An export that lacks media says so by its list.
        message = (ran.message or str(ran.json.get("missing") or "")) if ran.is_json else said
    except ValueError as error:
        yield Fault("json", f"{error}", _tail(ran))
        return
    if ran.code == 2 and not (message or "").strip():
        yield Fault("words", "a refusal without a sentence", _tail(ran))
    if ran.is_json and ran.code == 2 and len(message or "") > _LONGEST:
        yield Fault("words", f"a refusal of {len(message or '')} characters", _tail(ran))
    for stream in (ran.err, "" if ran.is_json else ran.out):
        obeyed = _OBEYED.search(stream)
        if obeyed:
            yield Fault("terminal", f"passes on {obeyed[0]!a}", _tail(ran))
            break


def check_cost(ran: Ran) -> Iterator[Fault]:
    """Yield faults of the time and the memory that a command took."""
    if ran.cpu_s > MAX_CPU_S:
        yield Fault("time", f"{ran.cpu_s:.0f} s of processor time", _tail(ran))
    if ran.memory_mib > MAX_MEMORY_MIB:
        yield Fault("memory", f"{ran.memory_mib:.0f} MiB", _tail(ran))


def check_files(
    ran: Ran, place: Workplace, before: Mapping[str, str], after: Mapping[str, str], ours: Set[str]
) -> Iterator[Fault]:
    """Yield faults of what a command wrote. `ours` are files that AVLink wrote before, and may replace."""
    for name, digest in before.items():
        copies = [other for path, other in after.items() if path.startswith(f"{name}.bak")]
        if after.get(name) != digest and digest not in copies and name not in ours:
            yield Fault(
                "lost file", f"{_kind(name)} was {'changed' if name in after else 'removed'}: {name}", _tail(ran)
            )
    for change in ran.outside:
        yield Fault("outside", change, _tail(ran))
    for name in after:
        if name not in before and not name.startswith("project/"):
            yield Fault("outside", f"wrote {name}", _tail(ran))
        if ".avlink-tmp" in name:
            yield Fault("leftover", _kind(name), _tail(ran))
    for path in place.temporary.rglob("*"):
        yield Fault("leftover", f"in the temporary folder: {_kind(path.name)}", _tail(ran))
    written = sum(_size(place, name) for name in after if after[name] != before.get(name))
    if written > MAX_WRITTEN_BYTES:
        yield Fault("disk", f"{written >> 20} MiB written", _tail(ran))


def _size(place: Workplace, name: str) -> int:
    path = place.root / "work" / name
    return path.lstat().st_size if path.exists() else 0


def _kind(name: str) -> str:
    return Path(name).suffix or "a file without suffix"


def _sentence(ran: Ran) -> str:
    """Return the sentence of an error, or the last line."""
    try:
        message = ran.message if ran.is_json else None
    except ValueError:
        message = None
    lines = (message or ran.out + ran.err).strip().splitlines() or [""]
    return lines[-1][:300]


def _around(said: str) -> str:
    found = _PYTHON.search(said)
    at = said.find("this is a bug") if found is None else found.start()
    return " ".join(said[max(0, at - 80) : at + 160].split())


def _tail(ran: Ran) -> str:
    return f"avlink {' '.join(ran.words)}\n{(ran.err + ran.out)[-1500:]}"

"""The record of a run: a line for each input, and a folder for each fault. A run that was ended goes on from it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path

from fuzz.case import Case, Fault, load

_LINES, _CURRENT, _FAULTS, _SAID = "inputs.jsonl", "current", "faults", "said.txt"
_FINISHED = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One input: the exit codes of its commands, the most that one of them took, and the faults.

    `made` is the number of clips that got a result.
    """

    format: str
    digest: str
    codes: tuple[int, ...]
    cpu_s: float
    memory_mib: float
    wall_s: float
    made: int = 0
    faults: tuple[str, ...] = ()


class Journal:
    """A folder with the record."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._known = {path.name for path in self._fault_folders()}

    def begin(self, case: Case) -> None:
        """Save a case before it runs: it may end the process."""
        current = self.folder / _CURRENT
        case.save(current)

    def note(self, entry: Entry) -> None:
        """Write the line of a case that has run."""
        with (self.folder / _LINES).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(asdict(entry)) + "\n")

    def knows(self, format: str, fault: Fault) -> bool:
        """Return whether a fault was found before, in an input of the same format."""
        return _name(format, fault) in self._known

    def keep(self, case: Case, fault: Fault) -> Path:
        """Save a case with its fault, and return the folder."""
        name = _name(case.format, fault)
        folder = self.folder / _FAULTS / name
        self._known.add(name)
        case.save(folder)
        (folder / _SAID).write_text(f"{fault.law}: {fault.text}\n\n{fault.where}\n", encoding="utf-8", errors="replace")
        return folder

    def keep_current(self, fault: Fault) -> Path | None:
        """Save the case during which the process ended; None when there was none."""
        try:
            case = load(self.folder / _CURRENT)
        except (OSError, ValueError):
            return None
        self.note(
            Entry(
                format=case.format,
                digest=case.digest,
                codes=(),
                cpu_s=0,
                memory_mib=0,
                wall_s=0,
                faults=(fault.signature,),
            )
        )
        return self.keep(case, fault)

    @property
    def is_finished(self) -> bool:
        """True for a run that had all of its time."""
        return (self.folder / _FINISHED).exists()

    def finish(self) -> None:
        """Note that the run had all of its time."""
        (self.folder / _FINISHED).touch()

    def spent_s(self) -> float:
        """Return the seconds that all inputs took together."""
        return sum(entry.wall_s for entry in self.entries())

    def entries(self) -> list[Entry]:
        """Return all lines."""
        try:
            lines = (self.folder / _LINES).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [Entry(**json.loads(line)) for line in lines if line.endswith("}")]

    def faults(self) -> list[tuple[Path, str]]:
        """Return the folders of the faults, with a sentence on each."""
        found = []
        for path in self._fault_folders():
            said = path / _SAID
            found.append((path, said.read_text("utf-8").partition("\n")[0] if said.exists() else ""))
        return found

    def _fault_folders(self) -> list[Path]:
        folder = self.folder / _FAULTS
        return sorted(folder.iterdir()) if folder.is_dir() else []


def table(entries: Iterable[Entry]) -> str:
    """Return inputs, exit codes, faults, and the most time and memory, by format."""
    by_format: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_format[entry.format].append(entry)
    heads = ("format", "inputs", "with a result", "commands", "0", "2", "3", "faults", "slowest", "most memory")
    rows = [_row(format, found) for format, found in sorted(by_format.items())]
    rows.append(_row("all", [entry for found in by_format.values() for entry in found]))
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=False))
        )
        for row in (heads, *rows)
    )


def _row(format: str, entries: Sequence[Entry]) -> tuple[str, ...]:
    codes = [code for entry in entries for code in entry.codes]
    return (
        format,
        str(len(entries)),
        str(sum(bool(entry.made) for entry in entries)),
        str(len(codes)),
        *(str(codes.count(code)) for code in (0, 2, 3)),
        str(sum(bool(entry.faults) for entry in entries)),
        f"{max((entry.cpu_s for entry in entries), default=0):.2f} s",
        f"{max((entry.memory_mib for entry in entries), default=0):.0f} MiB",
    )


def _name(format: str, fault: Fault) -> str:
    hashed = blake2b(fault.signature.encode("utf-8", "replace"), digest_size=4).hexdigest()
    return f"{format}-{fault.law.replace(' ', '-')}-{hashed}"

"""What is there and what is to be done for a plan, by what its shards say."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avlink.core.paths import write_text
from avlink.training.data.columns import Clips, ShardWork, has_column, notes_file, read_notes
from avlink.training.data.entries import SPLITS, Entry, Split
from avlink.training.data.notes import ClipNote
from avlink.training.data.plan import Plan, Shard


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The `number`th of `count` parts of the work, from 1; machines that share a folder take one each."""

    number: int = 1
    count: int = 1

    def mine(self, place: int) -> bool:
        """Whether the piece of work at `place` is in this part."""
        return place % self.count == self.number - 1


ALL = Part()


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A plan with what is to be done for it."""

    root: Path
    plan: Plan
    entries: Mapping[Split, Mapping[str, Entry]]
    clips: Clips

    def shards(self, split: Split, part: Part) -> Iterator[tuple[int, Shard, Path]]:
        """The shards of a part: number, shard, folder."""
        for number, shard in enumerate(self.plan[split]):
            if part.mine(number):
                yield number, shard, self.root / split / shard.name

    def columns(self) -> tuple[str, ...]:
        """The columns that every shard has in the end."""
        return self.clips.columns

    def lacking(self, part: Part) -> list[ShardWork]:
        """The shards of a part that lack a column."""
        works = []
        for split in SPLITS:
            for _, shard, folder in self.shards(split, part):
                if not all(has_column(folder, name) for name in self.columns()):
                    rows = [self.entries[split].get(key) for key in shard.keys]
                    works.append(ShardWork(folder=folder, clips=self.clips, entries=rows, deadly={}))
        return works

    def count_lacking(self) -> int:
        """How many shards lack a column."""
        folders = (folder for split in SPLITS for _, _, folder in self.shards(split, ALL))
        return sum(not all(has_column(folder, name) for name in self.columns()) for folder in folders)

    def bad_rows(self, folder: Path) -> dict[int, str]:
        """The rows of a shard that cannot be used, and why."""
        bad: dict[int, str] = {}
        for name in self.columns():
            if has_column(folder, name):
                bad = read_notes(folder, name)[0] | bad
        return bad

    def forget_bad(self, part: Part) -> None:
        """Take away the columns with bad rows, so that they are made again."""
        for split in SPLITS:
            for _, _, folder in self.shards(split, part):
                for name in self.columns():
                    if has_column(folder, name) and read_notes(folder, name)[0]:
                        notes_file(folder, name).unlink()

    def write_bad(self) -> int:
        """Write bad.csv from what the shards say; returns how many clips are in it."""
        rows: list[tuple[str, ...]] = []
        for split in SPLITS:
            for _, shard, folder in self.shards(split, ALL):
                for row, reason in sorted(self.bad_rows(folder).items()):
                    entry = self.entries[split].get(shard.keys[row])
                    if entry is not None:
                        rows.append((entry.shown, f"{float(entry.start_s):g}", reason))
        write_csv(self.root / "bad.csv", ("path", "start_s", "reason"), rows)
        return len(rows)

    def rows(self, split: Split, part: Part) -> Iterator[tuple[int, int, ClipNote]]:
        """The clips of a part that can be used: number of the shard, row of it, what is known."""
        window_s = float(self.clips.window_s)
        for number, shard, folder in self.shards(split, part):
            if not all(has_column(folder, name) for name in self.columns()):
                continue
            bad = self.bad_rows(folder)
            heard = self.clips.sound_file in self.columns()
            onsets = read_notes(folder, self.clips.sound_file)[1] if heard else {}
            for row, key in enumerate(shard.keys):
                entry = self.entries[split].get(key)
                if entry is None or row in bad:
                    continue
                events = entry.events(window_s)
                if events is None:
                    events = tuple((time_s, "", 1.0) for time_s in onsets.get(row, ()))
                yield number, row, ClipNote(caption=entry.words(window_s), events=events)

    def drop_superseded(self) -> None:
        """Remove columns that were made for something else: they are as large as those that replace them."""
        # Also the one that is not asked for this time.
        columns = (self.clips.pictures_file, self.clips.sound_file)
        kept = {name for column in columns for name in (column, notes_file(Path(), column).name)}
        for split in SPLITS:
            for _, _, folder in self.shards(split, ALL):
                for path in folder.iterdir():
                    if path.name.startswith(("frames-", "sound-")) and path.name not in kept:
                        path.unlink(missing_ok=True)


def write_csv(path: Path, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Write a table. Raises OutputError."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([head, *rows])
    write_text(path, text.getvalue())

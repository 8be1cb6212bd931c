"""The console: progress as an event listener, and answers. Rich on a terminal, plain lines elsewhere.

Everything that is printed passes `avlink.cli.terminal` first: names and texts come from files of any origin.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TextIO

from avlink.cli.terminal import visible, visible_line
from avlink.core.answer import Block, Grid
from avlink.core.events import Event, JobDone, JobFailed, JobStarted, Listener, Message, PlanReady, StepDone

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


def show(blocks: Sequence[Block], stream: TextIO) -> None:
    """Print texts and tables."""
    for block in blocks:
        if isinstance(block, str):
            say(block, stream)
        elif stream.isatty():
            _show_rich(block, stream)
        else:
            say("\n".join(_plain_rows(block)), stream)


def say(text: str, stream: TextIO) -> None:
    """Print a text of one or several lines at once, in characters that the stream can hold."""
    text = visible(text)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.encode(encoding, "backslashreplace").decode(encoding)
    print(text, file=stream, flush=True)


@contextlib.contextmanager
def progress(stream: TextIO | None = None, *, verbose: bool = False) -> Iterator[Listener]:
    """Give a listener that shows progress on standard error; standard output is for results.

    Messages that are details are shown only if `verbose`.
    """
    stream = sys.stderr if stream is None else stream
    if not stream.isatty():
        yield PlainListener(stream, verbose=verbose)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=Console(file=stream), transient=True) as bars:
        yield RichListener(bars, verbose=verbose)


class PlainListener:
    """Prints a line when a job begins, ends or fails, and for every tenth of a long one; details if `verbose`."""

    def __init__(self, stream: TextIO, *, verbose: bool = False) -> None:
        self._stream, self._verbose = stream, verbose
        self._jobs = 0
        self._started = 0
        self._tenths: dict[str, int] = {}
        self._names: dict[str, str] = {}

    def __call__(self, event: Event) -> None:
        """Print an event that deserves a line."""
        if isinstance(event, PlanReady):
            self._jobs = event.jobs
        elif isinstance(event, JobStarted):
            self._started += 1
            self._names[event.job_id] = event.name
        elif isinstance(event, StepDone):
            tenth = 10 * event.done // max(1, event.total)
            if tenth <= self._tenths.get(event.job_id, 0) or event.done == event.total:
                return
            self._tenths[event.job_id] = tenth
        line = self._line(event)
        if line and (self._verbose or not is_detail(event)):
            with contextlib.suppress(OSError):
                # A log on a full disk is no reason to stop.
                say(visible_line(line), self._stream)

    def _line(self, event: Event) -> str:
        if isinstance(event, PlanReady):
            return plan_text(event)
        if isinstance(event, JobStarted):
            place = f"[{self._started}/{self._jobs}] " if self._jobs else ""
            return f"{place}{event.name}"
        if isinstance(event, StepDone):
            name = self._names.get(event.job_id, event.job_id)
            return f"  {name}: {event.done}/{event.total}{f'  {event.note}' if event.note else ''}"
        return ending_text(event)


class RichListener:
    """Shows a bar for the run and one for each job in progress, below the jobs that ended; details if `verbose`."""

    def __init__(self, bars: Progress, *, verbose: bool = False) -> None:
        self._bars, self._verbose = bars, verbose
        self._run: TaskID | None = None
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, event: Event) -> None:
        """Move the bars."""
        if isinstance(event, PlanReady):
            self._say(plan_text(event))
            if event.jobs > 1:
                self._run = self._bars.add_task("all", total=event.jobs, note="")
        elif isinstance(event, JobStarted):
            self._tasks[event.job_id] = self._bars.add_task(visible_line(event.name), total=None, note="")
        elif isinstance(event, StepDone):
            if event.job_id in self._tasks:
                task = self._tasks[event.job_id]
                self._bars.update(task, completed=event.done, total=event.total, note=visible_line(event.note))
        elif self._verbose or not is_detail(event):
            self._say(ending_text(event))
            if isinstance(event, JobDone | JobFailed):
                self._end(event.job_id)

    def _end(self, job_id: str) -> None:
        task = self._tasks.pop(job_id, None)
        if task is not None:
            self._bars.remove_task(task)
        if self._run is not None:
            self._bars.advance(self._run)

    def _say(self, text: str) -> None:
        from rich.text import Text

        # As a `Text`, in which neither markup nor names of emoji mean anything.
        self._bars.console.print(Text(visible_line(text)))


def is_detail(event: Event) -> bool:
    """Return True for a message that is shown only to those who ask for details."""
    return isinstance(event, Message) and event.level == "detail"


def plan_text(event: PlanReady) -> str:
    """Return the plan as a line."""
    others = [(event.cached, "in the cache"), (event.skipped, "skipped")]
    return ", ".join([f"{event.jobs} to do", *(f"{number} {word}" for number, word in others if number)])


def ending_text(event: JobDone | JobFailed | Message) -> str:
    """Return the end of a job, or a message, as a line."""
    if isinstance(event, Message):
        return f"warning: {event.text}" if event.level == "warning" else event.text
    if isinstance(event, JobFailed):
        return f"{event.name}: failed: {event.reason}"
    return f"{event.name}: {event.note or 'done'}"


def _show_rich(grid: Grid, stream: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for head in grid.heads:
        table.add_column(Text(visible_line(head)))
    for row in grid.rows:
        table.add_row(*(Text(visible_line(cell)) for cell in row))
    Console(file=stream).print(table)


def _plain_rows(grid: Grid) -> list[str]:
    rows = [[visible_line(cell) for cell in row] for row in (grid.heads, *grid.rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(grid.heads))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]

"""Directions: sound for pictures (V2A) and pictures for sound (A2V). Everything else in the pipeline is shared.

A `Direction` holds the functions in which the two differ on the way through the model, and opens inputs. An opened
input is an `Edit`: a plan, and the ways in which results are written and put back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from avlink.core.store import Store
from avlink.edit.disk_use import DiskRates
from avlink.edit.plugin_hooks import EditHooks
from avlink.edit.report import EditReport, Rendered, WrittenFile
from avlink.edit.request import EditRequest
from avlink.hooks import ReadyBackend
from avlink.session import Session
from avlink.timeline.timebase import Timebase
from avlink.timeline.values import Job, Plan

Asked = TypeVar("Asked")
"""A request to a generator: `SoundRequest` or `PictureRequest`."""
Made = TypeVar("Made")
"""The answer of a generator: `SoundSource` or `FrameSource`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """The end of a run: `output` is the file that holds all results, None when there is none.

    `beside` are the files in other formats.
    """

    output: Path | None
    rendered: Rendered
    preview: Path | None = None
    beside: tuple[Path, ...] = ()

    @property
    def outputs(self) -> tuple[Path, ...]:
        """Everything that was written besides the files of clips, the output first."""
        return tuple(path for path in (self.output, *self.beside, self.preview) if path is not None)


class Edit(ABC, Generic[Made]):
    """An input that was opened: a timeline, or one media file. `plan` holds the jobs, `backend` makes them.

    `timebase` counts its frames; None for a sound, which has none.
    """

    plan: Plan
    backend: ReadyBackend
    timebase: Timebase | None = None
    copied_bytes: int = 0
    """Bytes of media that are written again as they are."""

    @property
    @abstractmethod
    def planned(self) -> Path:
        """The file that will hold all results."""

    @property
    @abstractmethod
    def folder_written(self) -> Path:
        """The folder of the files that are written, which need not exist yet."""

    def check(self) -> None:
        """Raise InputError for everything that is known to be refused before anything is generated. Writes nothing.

        A dry run tells the same.
        """

    @abstractmethod
    def prepare(self) -> None:
        """Make folders that will be written, and remove what killed runs left there."""

    @abstractmethod
    def write(self, job: Job, made: Callable[[], Made], *, cached: bool, force: bool) -> WrittenFile:
        """Finish the result of a job and write its file, unless the file is there and right.

        `made` reads the result from the cache. Raises OutputError where the file cannot be written; any other
        AvlinkError is the job's own failure.
        """

    @abstractmethod
    def place(self, rendered: Rendered) -> Placed:
        """Put the written files into the project or the movie."""

    def remember(self, job: Job) -> None:
        """Take note of a job whose result was generated in this run."""


class OpenEdit(Protocol[Made]):
    """Opens an input: reads it, resolves its media and plans. Raises InputError for what cannot be used."""

    def __call__(self, request: Any, backend: ReadyBackend, session: Session, hooks: EditHooks, /) -> Edit[Made]: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction(Generic[Asked, Made]):
    """One direction of generation.

    `ask` decodes the input of a job into a request for the generator. `check` raises PluginError for an answer of
    another length or rate than asked for. `keep` puts an answer into the store, `kept` reads that of a job back, or
    gives None where it is lost or damaged. `batch_s` is the length of a batch in seconds of input; 0 generates one job
    at a time. `disk` is the space that a second of a clip takes.
    """

    open_timeline: OpenEdit[Made]
    open_file: OpenEdit[Made]
    ask: Callable[[Job, Any], Asked]
    check: Callable[[Made, Asked, Any], None]
    keep: Callable[[Store, str, Made], None]
    kept: Callable[[Store, Job], Made | None]
    batch_s: Callable[[EditRequest], float]
    report: type[EditReport]
    disk: DiskRates

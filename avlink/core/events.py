"""Events that a run sends to its listener while it works, such as the console's progress bars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReady:
    """The work is planned: `jobs` jobs, `cached` of which are in the cache; `skipped` clips are not jobs."""

    jobs: int
    cached: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStarted:
    """A job begins, such as a clip or a training stage. `name` is for people."""

    job_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone:
    """`done` of `total` steps of a job are done; `note` is shown beside them, such as the loss."""

    job_id: str
    done: int
    total: int
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDone:
    """A job succeeded; `note` is a word or two, such as "cached"."""

    job_id: str
    name: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFailed:
    """A job failed and the run continues; `reason` is one sentence."""

    job_id: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A text for the user that is not progress. A "detail" is shown to those who ask for details."""

    text: str
    level: Literal["info", "warning", "detail"] = "info"


Event: TypeAlias = PlanReady | JobStarted | StepDone | JobDone | JobFailed | Message
Listener: TypeAlias = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Discard an event: the default listener."""

"""What a run tells while it works. Services send events to a listener; the console is one, a test another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReady:
    """It is known what there is to do: `jobs` pieces of work, `cached` of them done before, `skipped` clips not."""

    jobs: int
    cached: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStarted:
    """A piece of work begins: a clip, a training stage. `name` is for people."""

    job_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone:
    """`done` of `total` steps of a job are done; `note` says something in passing, such as a loss."""

    job_id: str
    done: int
    total: int
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDone:
    """A job ended well; `note` is a word or two on how, such as "cached"."""

    job_id: str
    name: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFailed:
    """A job failed, and the run goes on without it; `reason` is one sentence."""

    job_id: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Something worth saying that is no progress."""

    text: str
    level: Literal["info", "warning"] = "info"


Event: TypeAlias = PlanReady | JobStarted | StepDone | JobDone | JobFailed | Message
Listener: TypeAlias = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The listener that does not listen."""

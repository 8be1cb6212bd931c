"""Footage to learn from: the clips of a folder, each with its true hits by corrected markers or by its own sound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from avlink.core.errors import InputError, OutputError
from avlink.core.events import JobDone, JobStarted, StepDone
from avlink.core.hashing import digest
from avlink.core.learned import FILE
from avlink.core.recipe import SpotRecipe
from avlink.core.values import ImageSequence
from avlink.edit.footage import read_footage
from avlink.edit.guide import Guide, UnheardClip
from avlink.edit.media_file import MOVIES
from avlink.edit.project import check_roots
from avlink.edit.spot_clips import plan_clips
from avlink.edit.spot_input import WORD
from avlink.edit.spot_plan import SpotPlan
from avlink.session import Session
from avlink.timeline.media_refs import FILM_SUFFIXES
from avlink.timeline.plan import made_span
from avlink.timeline.read import readable_suffixes
from avlink.timeline.values import ClipRef, Source

TruthSource: TypeAlias = Literal["markers", "sound"]

_JOB = "footage"
_MADE = (".foley", f".{WORD}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaughtClip:
    """A clip with its true hits: `true_s` are seconds from where it is seen first, in order. `key` names both."""

    name: str
    source: Source
    true_s: tuple[float, ...]
    by: TruthSource

    @property
    def seen_s(self) -> float:
        """Length of what is seen of it, in seconds."""
        return float(self.source.seen_s)

    @property
    def key(self) -> str:
        """Digest of what is seen and of the hits, without paths."""
        return digest(["taught", made_span(self.source), [round(time_s, 6) for time_s in self.true_s]])


@dataclass(frozen=True, slots=True, kw_only=True)
class UntaughtClip:
    """A clip or a file that nothing is learned from. `failed` where it is damaged or missing."""

    name: str
    reason: str
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FootageRequest:
    """A folder of timelines and films, or one of them, and the settings by which their clips are read."""

    folder: Path
    recipe: SpotRecipe
    media_root: tuple[Path, ...] = ()


def read_taught(request: FootageRequest, session: Session) -> tuple[tuple[TaughtClip, ...], tuple[UntaughtClip, ...]]:
    """Return the clips with their true hits, and all that nothing is learned from.

    Corrected markers count before sound. A stretch that several timelines show counts once, and a film that a timeline
    shows is not read as a whole, too. Raises InputError for a folder that is not there or holds no footage.
    """
    check_roots(request.media_root)
    paths = footage_files(request.folder)
    session.tell(JobStarted(job_id=_JOB, name="footage"))
    plans, untaught = _plans(paths, request, session)
    guide = Guide(session=session)
    taught: dict[str, TaughtClip] = {}
    sources = list(_once(plans))
    for done, (name, source) in enumerate(sources, start=1):
        try:
            clip = _taught(name, source, guide)
        except OutputError:
            # Decoding spools to disk: a full disk is no fault of the clip.
            raise
        except InputError as error:
            untaught.append(UntaughtClip(name=name, reason=str(error), failed=not isinstance(error, UnheardClip)))
        else:
            if clip is None:
                reason = "nothing in its sound counts as a hit, as with speech or music alone"
                untaught.append(UntaughtClip(name=name, reason=reason))
            else:
                taught[clip.key] = clip
        session.tell(StepDone(job_id=_JOB, done=done, total=len(sources), note=name))
    session.tell(JobDone(job_id=_JOB, name="footage", note=f"{len(taught)} clips with hits"))
    # By what they hold: the order must not depend on names of folders.
    return tuple(sorted(taught.values(), key=lambda clip: clip.key)), tuple(untaught)


def footage_files(folder: Path) -> list[Path]:
    """Return the timelines and films in a folder and the folders in it, timelines first; a file stands for itself.

    Raises InputError where there are none.
    """
    if not folder.exists():
        raise InputError(f"{folder} does not exist; --learn names a folder of clips with sound or of spotted timelines")
    films = (*FILM_SUFFIXES, *MOVIES)
    timelines = tuple(f".{suffix}" for suffix in readable_suffixes())
    whole = folder.is_file() or folder.suffix.lower() in timelines
    found = [folder] if whole else sorted(_files(folder, timelines))
    chosen = [path for path in found if path.suffix.lower() in timelines]
    chosen += [path for path in found if path.suffix.lower() in films and not (is_made(path) and not whole)]
    if not chosen:
        raise InputError(
            f"{folder} holds neither films nor timelines to learn from; --learn names a folder of clips with sound, or "
            "of timelines that `avlink spot` has marked and you have corrected"
        )
    return chosen


def is_made(path: Path) -> bool:
    """Return whether a film is one of AVLink by its name: a preview clicks at its hits, and foley is no truth."""
    return path.stem.lower().endswith(_MADE)


def _files(folder: Path, timelines: tuple[str, ...]) -> Iterator[Path]:
    """Yield the files below a folder, but none of hidden folders and of learned spotters."""
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        # Some timelines are folders.
        if not path.is_dir() or path.suffix.lower() in timelines:
            yield path
        elif not (path / FILE).exists():
            yield from _files(path, timelines)


def _plans(
    paths: Iterable[Path], request: FootageRequest, session: Session
) -> tuple[list[tuple[Path, SpotPlan]], list[UntaughtClip]]:
    plans, untaught = [], []
    for path in paths:
        try:
            footage = read_footage(path, request.recipe.read, request.media_root, session)
            plan = plan_clips(footage, request.recipe.select, spotter="", session=session, skip_missing=True)
        except InputError as error:
            untaught.append(UntaughtClip(name=path.name, reason=str(error), failed=True))
            continue
        plans.append((path, plan))
        untaught += [
            UntaughtClip(name=f"{skip.name} ({path.name})", reason=skip.reason, failed=skip.failed or skip.missing)
            for skip in plan.skips
        ]
    return plans, untaught


def _once(plans: Sequence[tuple[Path, SpotPlan]]) -> Iterator[tuple[str, Source]]:
    """Yield each stretch of media once with its name: as the timeline shows it in which a person corrected it."""
    best: dict[str, tuple[str, Source]] = {}
    shown: set[str] = set()
    for path, plan in plans:
        for job in plan.jobs:
            source = job.source
            whole = not isinstance(source.picture, ImageSequence) and path.resolve() == source.path.resolve()
            if whole and source.digest in shown:
                # A timeline shows parts of this film, perhaps with markers; timelines come first.
                continue
            if not whole:
                shown.add(source.digest)
            key = digest(["stretch", made_span(source)])
            if key not in best or (is_corrected(source.clip) and not is_corrected(best[key][1].clip)):
                best[key] = (path.name if whole else f"{source.clip.name} ({path.name})", source)
    yield from best.values()


def is_corrected(clip: ClipRef) -> bool:
    """Return whether a person has changed the hits of a clip: what a spotter has marked alone is no truth."""
    hits = clip.hits
    return hits is not None and (clip.base_hits is not None or any(hit.source == "marker" for hit in hits))


def _taught(name: str, source: Source, guide: Guide) -> TaughtClip | None:
    """Return a clip with its true hits; None where nothing in its sound counts."""
    by: TruthSource = "markers" if is_corrected(source.clip) else "sound"
    hits = source.hits or () if by == "markers" else guide.heard(source)
    if by == "sound" and not hits:
        return None
    return TaughtClip(name=name, source=source, true_s=tuple(sorted(float(hit.time_s) for hit in hits)), by=by)

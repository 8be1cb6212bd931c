"""Learn a spotter from a user's footage: read the clips, look at them, cross-validate, fit, and write a folder.

A run that is killed goes on where it was: what was heard and seen is in the cache, and the fits lie in the folder of
the new spotter until it is whole.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tomli_w

from avlink import __version__
from avlink.core.bundles import bundle_fingerprint, find_bundle
from avlink.core.disk import report_full_disk
from avlink.core.errors import InputError, MediaError, OutputError
from avlink.core.events import JobDone, JobStarted, Listener, StepDone, ignore
from avlink.core.hashing import content_digest
from avlink.core.learned import CARD, FILE, WEIGHTS, BuiltInTable, HeadTable, LearnedTable
from avlink.core.outputs import Outputs, claim_folder
from avlink.core.paths import check_place, make_folder
from avlink.core.text import first_reasons
from avlink.engine.bundle import read_bundle
from avlink.engine.learned_spotter import save_learned, stem_config
from avlink.engine.nn.hit_head import HitHead
from avlink.engine.spotter import OnsetNet, load_onset_net
from avlink.session import Session, open_session
from avlink.training.spotting.crossing import BETTER, Crossing, StudyClip, held_out_fits
from avlink.training.spotting.fitting import FOLDER, Fitter, steps_of
from avlink.training.spotting.folds import check_enough, folds_of
from avlink.training.spotting.footage import FootageRequest, TaughtClip, UntaughtClip, read_taught
from avlink.training.spotting.reading import Reader
from avlink.training.spotting.report import HeldFigures, LearnedResult, LearnReport, card
from avlink.training.spotting.ways import Way, heads_for

_PICTURES, _HEADS = "pictures", "heads"
_OWN = "What was learned comes from the footage and belongs to whoever owns that: share it only if you may."


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnRequest:
    """A request to learn a spotter from footage, and to write it into the folder `output`.

    `minutes` is about the time that fits take on two CPU cores; looking at the clips comes on top. With `dry_run`
    clips are read and nothing is learned or written. `overwrite` replaces files that AVLink did not write, which are
    kept as `.bak`.
    """

    footage: FootageRequest
    output: Path | None
    minutes: float = 10.0
    seed: int = 0
    dry_run: bool = False
    overwrite: bool = False


def learn_spotter(request: LearnRequest, session: Session | None = None, *, listener: Listener = ignore) -> LearnReport:
    """Learn a spotter, write it, and return how much better it is on clips that were held back.

    Raises InputError for footage that is missing or too little, OutputError for a folder of something else.
    """
    session = open_session(listener=listener) if session is None else session
    outputs = session.outputs(overwrite=request.overwrite)
    if request.output is not None:
        _check_output(request.output, outputs)
    clips, untaught = read_taught(request.footage, session)
    report = LearnReport(folder=request.footage.folder, output=None, clips=clips, untaught=untaught)
    too_few = _too_few(report)
    if request.dry_run:
        return replace(report, too_few=too_few)
    if too_few:
        raise InputError(too_few)
    if request.output is None:
        raise InputError("name the folder of the new spotter with -o, such as -o my_spotter")
    with report_full_disk(request.output):
        return _learn(request, request.output, report, outputs, session)


def _check_output(output: Path, outputs: Outputs) -> None:
    """Raise OutputError for a folder that holds something else, or files of ours that were changed."""
    check_place(output)
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output} is a file; name a folder for the new spotter, or one that is new")
    claim_folder(output, marks=(FILE,), what="a learned spotter")
    for name in (FILE, WEIGHTS, CARD):
        outputs.check(output / name)


def _too_few(report: LearnReport) -> str:
    """Return the sentence on footage that is too little, "" where it suffices."""
    try:
        check_enough(report.clips)
    except InputError as error:
        reasons = dict.fromkeys(f"{one.name}: {one.reason}" for one in report.untaught)
        return f"{report.folder}: {error}{f' (left out: {first_reasons(reasons)})' if reasons else ''}"
    return ""


def _learn(request: LearnRequest, output: Path, report: LearnReport, outputs: Outputs, session: Session) -> LearnReport:
    bundle = read_bundle(find_bundle("builtin"))
    net, weights = load_onset_net(bundle, "cpu"), bundle_fingerprint(bundle.folder)
    taught, study, lost = _look(report.clips, Reader(net, weights, session.registry, session), session)
    report = replace(report, clips=taught, untaught=(*report.untaught, *lost))
    too_few = _too_few(report)
    if too_few:
        raise InputError(too_few)
    folds, by_film = folds_of(taught)
    study = [replace(clip, fold=fold) for clip, fold in zip(study, folds, strict=True)]

    work = output / FOLDER
    make_folder(work)
    heads = heads_for(len(taught))
    held_out = held_out_fits(heads)
    # One more for the result.
    fits = len(held_out) + 1
    steps = steps_of(request.minutes, fits)
    done = 0

    def on_step(count: int) -> None:
        nonlocal done
        done += count
        session.tell(StepDone(job_id=_HEADS, done=done, total=fits * steps))

    fit = Fitter(work, stem_config(net), weights=weights, seed=request.seed, steps=steps, on_step=on_step)
    crossing = Crossing(clips=study, heads=heads, fit=fit)
    session.tell(JobStarted(job_id=_HEADS, name="heads"))
    for name, out in held_out:
        crossing.prepare(name, out)
    way, head, result = _judged(crossing, by_film=by_film, steps=steps, seed=request.seed)
    session.tell(JobDone(job_id=_HEADS, name="heads", note=result.way))
    report = replace(report, output=output, result=result)
    _write(output, way, head, net, report, bundle.licence, crossing, outputs)
    shutil.rmtree(work, ignore_errors=True)
    return report


def _look(
    clips: Sequence[TaughtClip], reader: Reader, session: Session
) -> tuple[tuple[TaughtClip, ...], list[StudyClip], list[UntaughtClip]]:
    """Look at the pictures of clips; those that cannot be decoded are left out."""
    session.tell(JobStarted(job_id=_PICTURES, name="pictures"))
    taught, study, lost = [], [], []
    for done, clip in enumerate(clips, start=1):
        try:
            reading = reader.read(clip.source)
        except MediaError as error:
            lost.append(UntaughtClip(name=clip.name, reason=str(error), failed=True))
        else:
            taught.append(clip)
            before_s = float(clip.source.before_s)
            study.append(
                StudyClip(reading=reading, true_s=clip.true_s, before_s=before_s, seen_s=clip.seen_s, fold=None)
            )
        session.tell(StepDone(job_id=_PICTURES, done=done, total=len(clips), note=clip.name))
    session.tell(JobDone(job_id=_PICTURES, name="pictures"))
    return tuple(taught), study, lost


def _judged(crossing: Crossing, *, by_film: bool, steps: int, seed: int) -> tuple[Way, HitHead | None, LearnedResult]:
    """Return the way for all footage, its heads if it has any, and the figures on held-back clips."""
    before = tuple(HeldFigures(name=name, scores=scores) for name, scores in crossing.before().items())
    after = HeldFigures(name="learned", scores=crossing.after())
    best = max(before, key=lambda one: one.scores.gain)
    way = crossing.chosen()
    kept = way.kind == "as it is" or after.scores.gain <= best.scores.gain + BETTER
    if kept:
        way = Way(kind="as it is", name=best.name)
    head = crossing.prepare(way.name, frozenset()) if way.kind == "heads" else None
    late_s = None if kept else crossing.late_of(way, frozenset())
    result = LearnedResult(
        before=before, after=after, way=str(way), kept=kept, late_s=late_s, by_film=by_film, steps=steps, seed=seed
    )
    return way, head, result


def _write(
    output: Path,
    way: Way,
    head: HitHead | None,
    net: OnsetNet,
    report: LearnReport,
    licence: str,
    crossing: Crossing,
    outputs: Outputs,
) -> None:
    """Write the folder, its table last: without it the rest is no spotter."""
    assert report.result is not None
    terms = f"The motion stem is under {licence}. {_OWN}" if head is not None else _OWN
    late_s = crossing.late_of(way, frozenset())
    built_in, head_table = None, None
    if head is None:
        retimed = way.kind == "retimed"
        built_in = BuiltInTable(
            name=way.name, late_s=late_s if retimed else None, min_confidence=way.least if retimed else None
        )
        _remove(output / WEIGHTS, outputs)
    else:
        with outputs.write(output / WEIGHTS) as path:
            save_learned(path, net.stem, head.state_dict())
        head_table = HeadTable(
            heads=head.config,
            stem=stem_config(net),
            window_s=net.window_s,
            late_s=late_s,
            times=way.least,
            digest=content_digest(output / WEIGHTS),
        )
    said: dict[str, Any] = {"avlink": __version__, "hits": report.hits, "seconds": round(report.seconds, 3)}
    said |= {"by": report.by(), "sentence": report.sentence, **report.result.to_json()}
    table = LearnedTable(
        name=output.name,
        licence=terms,
        built_in=built_in,
        head=head_table,
        training=_without_none(said),
        num_clips=len(report.clips),
    )
    with outputs.write(output / CARD) as path:
        path.write_text(
            card(output.name, report, report.result, version=__version__, licence=terms), encoding="utf-8", newline="\n"
        )
    with outputs.write(output / FILE) as path:
        path.write_bytes(tomli_w.dumps(table.model_dump(mode="json", exclude_none=True)).encode())


def _remove(path: Path, outputs: Outputs) -> None:
    """Remove weights of an earlier learning, which belong to nothing any more."""
    if outputs.unchanged(path) is not None:
        path.unlink()


def _without_none(value: Any) -> Any:
    # TOML has no null.
    if isinstance(value, dict):
        return {key: _without_none(one) for key, one in value.items() if one is not None}
    return [_without_none(one) for one in value] if isinstance(value, list) else value

"""From the words of the command line to a run, and from its report to an answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import avlink
from avlink import InputError, Override
from avlink.hooks import Answer, Grid, find_recipe
from avlink_genvideo.request import Existing, FinishRequest
from avlink_genvideo.run import STATES, FinishReport, finish_videos, table_rows
from avlink_genvideo.targets import parse_loudness

_HEADS = ("video", "status", "prompt", "sound", "result")
_HIGHEST_DBTP, _LOWEST_DBTP = 0.0, -30.0


def answer_for(
    *,
    videos: tuple[Path, ...],
    output: Path | None,
    prompt: str | None,
    use_prompt: bool,
    negative: str | None,
    loudness: str,
    peak: float | None,
    replace: bool,
    mix: bool,
    channels: int,
    lossless: bool,
    in_place: bool,
    seed: int | None,
    recipe: str,
    settings: Sequence[str],
    device: str,
    force: bool,
    dry_run: bool,
) -> Answer:
    """Finish videos as the command line asks for it. Raises InputError for wishes that make no sense together."""
    if replace and mix:
        raise InputError("--replace and --mix exclude each other: a sound that is there goes, or stays")
    if prompt is not None and not use_prompt:
        raise InputError("--prompt and --no-prompt exclude each other")
    lufs, highest = parse_loudness(loudness)
    if peak is not None and not _LOWEST_DBTP <= peak <= _HIGHEST_DBTP:
        raise InputError(f"--peak {peak:g}: it is a number of dBTP from {_LOWEST_DBTP:g} to {_HIGHEST_DBTP:g}")
    existing: Existing = "replace" if replace else "mix" if mix else "refuse"
    changes: list[str | Override] = list(settings)
    if seed is not None:
        changes.append(Override(key="run.seed", value=seed, label=f"--seed {seed}"))
    request = FinishRequest(
        inputs=tuple(dict.fromkeys(videos)),
        recipe=find_recipe(recipe, "sonify", changes),
        output=output,
        in_place=in_place,
        prompt=prompt,
        use_prompt=use_prompt,
        negative=negative,
        lufs=lufs,
        peak_dbtp=highest if peak is None else peak,
        channels=channels,
        existing=existing,
        lossless=lossless,
        device=device,
        force=force,
        dry_run=dry_run,
    )
    with avlink.progress() as listener:
        report = finish_videos(request, avlink.open_session(device=device, listener=listener))
    return Answer(
        command="finish", payload=report.to_json(), blocks=_blocks(report, dry_run=dry_run), exit_code=report.exit_code
    )


def _blocks(report: FinishReport, *, dry_run: bool) -> list[str | Grid]:
    blocks: list[str | Grid] = [Grid(heads=_HEADS, rows=table_rows(report, dry_run=dry_run))]
    blocks += [f"{item.source.name}: {item.status}: {item.reason}" for item in report.items if item.reason]
    said = [f"{count} {state}" for state in STATES if (count := report.counts[state])]
    blocks.append(", ".join(said).replace("generated", "to generate") if dry_run else ", ".join(said))
    if dry_run:
        blocks.append("this was the plan: nothing was written")
    return blocks

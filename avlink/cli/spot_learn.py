"""`avlink spot --learn`: a spotter is learned from footage, and how much better it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avlink.cli.console import progress
from avlink.cli.report import reason_lines
from avlink.core.answer import Answer, Block, Grid

if TYPE_CHECKING:
    from avlink.core.recipe import SpotRecipe

_MINUTES = 10.0
_CLIP_HEADS = ("clip", "seconds", "hits", "by")
_HEADS = ("", "F1 50 ms", "chance", "gain", "F1 100 ms", "chance", "gain")


def refuse_given(values: Mapping[str, Any], why: str) -> None:
    """Raise InputError for the first argument or option that was given; None was not."""
    from avlink.core.errors import InputError

    for name, value in values.items():
        if value is not None:
            raise InputError(f"{name} {why}; see `avlink spot --help`")


def learn_answer(
    folder: Path,
    output: Path | None,
    recipe: SpotRecipe,
    *,
    media_root: tuple[Path, ...],
    minutes: float | None,
    seed: int | None,
    dry_run: bool,
    overwrite: bool,
    verbose: bool,
) -> Answer:
    """Learn a spotter and return the answer of the command. Raises InputError for numbers that are out of range."""
    from avlink.core.errors import InputError
    from avlink.training.spotting.footage import FootageRequest
    from avlink.training.spotting.learn import LearnRequest, learn_spotter

    minutes = _MINUTES if minutes is None else minutes
    if not 0 < minutes <= 1000:
        raise InputError(f"--minutes {minutes:g}: give a number above 0 and up to 1000")
    if seed is not None and not 0 <= seed < 2**63:
        raise InputError(f"--seed {seed}: give a whole number from 0 to 9223372036854775807")
    request = LearnRequest(
        footage=FootageRequest(folder=folder, recipe=recipe, media_root=media_root),
        output=output,
        minutes=minutes,
        seed=seed or 0,
        dry_run=dry_run,
        overwrite=overwrite,
    )
    with progress(verbose=verbose) as tell:
        report = learn_spotter(request, listener=tell)
    payload = report.to_json()
    return Answer(command="spot", payload=payload, blocks=_blocks(payload), exit_code=report.exit_code)


def _blocks(payload: Mapping[str, Any]) -> list[Block]:
    """Return a table of the clips, the reasons of those that are left out, the figures, and the outcome."""
    clips = [item for item in payload["items"] if "hits" in item]
    rows = [(item["name"], f"{item['seconds']:.1f}", str(item["hits"]), item["by"]) for item in clips]
    blocks: list[Block] = [Grid(heads=_CLIP_HEADS, rows=rows)] if rows else []
    blocks += reason_lines(payload["items"])
    blocks.append(f"{payload['clips']} clips, {payload['seconds']:.0f} s, {payload['hits']} hits")
    result = payload["result"]
    if result is None:
        blocks += [payload["too_few"]] if payload["too_few"] else []
        return [*blocks, "this was a list: nothing was learned or written"]
    ways = {**result["before"], "learned": result["after"]}
    blocks.append(Grid(heads=_HEADS, rows=[_row(name, figures) for name, figures in ways.items()]))
    blocks.append(payload["sentence"])
    late_s = result["late_s"]
    late = "" if late_s is None else f", {late_s * 1000:+.0f} ms"
    blocks.append(f"wrote {payload['output']} ({result['way']}{late})")
    return blocks


def _row(name: str, figures: Mapping[str, Any]) -> tuple[str, ...]:
    return (name, *(f"{figures[f'{part}_{ms}']:.2f}" for ms in (50, 100) for part in ("f1", "chance", "gain")))

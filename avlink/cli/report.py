"""The report of a sonify or visualize run as texts and tables, from the object that `--json` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any, Literal

from avlink.cli.terminal import visible_line
from avlink.core.answer import Block, Grid
from avlink.core.limits import amount
from avlink.core.text import first_names

_PLACE = ("clip", "track", "timecode", "at", "length", "status")
_PLAN = ("media", "from", "speed", "prompt", "items")
_DOUBTS = {"silent_stem": "silent", "silent_stretch": "silent in part"}
_NAMED, _LONGEST = 6, 60
_STATES = ("generated", "cached", "skipped", "failed")


def report_blocks(
    payload: Mapping[str, Any], *, dry_run: bool = False, made: Literal["stems", "pictures"] = "stems"
) -> list[Block]:
    """Return a table of the clips, the reasons of those without a result, the counts, and the output."""
    items = payload.get("items", [])
    blocks: list[Block] = []
    if items:
        # A plan has no files yet, and shows what they will be made of instead.
        heads = (*_PLACE, *(_PLAN if dry_run else (made, "warning")))
        rows = [
            (*_place(item, dry_run), *(_planned(item) if dry_run else (_made(item, made), _doubts(item))))
            for item in items
        ]
        blocks.append(_without_empty_columns(heads, rows))
    blocks += reason_lines(items)
    blocks += _warnings(items)
    blocks += _sounds(items)
    counts = payload.get("counts", {})
    said = [f"{counts[state]} {_word(state, dry_run)}" for state in _STATES if counts.get(state)]
    blocks.append(", ".join(said) if said else "nothing to do")
    if dry_run:
        refusal = payload.get("refusal")
        planned = f"would be refused: {refusal['message']}" if refusal else f"would write {payload.get('planned')}"
        disk = payload.get("disk") or {}
        blocks += [_disk(disk)] if any(disk.values()) else []
        blocks += [planned, "this was the plan: nothing was written"]
    elif payload.get("output"):
        blocks.append(f"wrote {payload['output']}")
    if payload.get("preview"):
        blocks.append(f"wrote {payload['preview']}")
    return blocks


def reason_lines(items: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the reasons of clips without a result, one line per reason with all clips that share it."""
    by_reason: dict[tuple[str, str], dict[str, None]] = {}
    for item in items:
        if item.get("reason"):
            name, reason = visible_line(str(item["name"])), visible_line(str(item["reason"]))
            by_reason.setdefault((str(item["status"]), reason), {})[name] = None
    for (status, reason), names in by_reason.items():
        yield f"{first_names(names, most=_NAMED)}: {status}: {reason}"


def _warnings(items: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for item in items:
        name = visible_line(str(item.get("name", "")))
        yield from (f"warning: {name}: {warning['message']}" for warning in item.get("warnings") or [])


def _sounds(items: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the recordings in the stems of each clip with licence and author, and what the stems lack."""
    for item in items:
        name = visible_line(str(item.get("name", "")))
        stems = item.get("stems") or []
        notes = [*(item.get("notes") or []), *(note for stem in stems for note in stem.get("notes") or [])]
        yield from dict.fromkeys(f"warning: {name}: {visible_line(note)}" for note in notes)
        used = dict.fromkeys(_use(use) for stem in stems for use in stem.get("sounds") or [])
        if used:
            yield f"{name}: made of {first_names(used, most=_NAMED, hint=' (--json names all)')}"


def _use(use: Mapping[str, Any]) -> str:
    told = ", ".join(str(use[key]) for key in ("licence", "author") if use.get(key)) or "licence not stated"
    return visible_line(f"{PurePath(str(use['name'])).name} ({told})")


def _doubts(item: Mapping[str, Any]) -> str:
    return ", ".join(dict.fromkeys(_DOUBTS[warning["kind"]] for warning in item.get("warnings") or []))


def _without_empty_columns(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Grid:
    kept = [column for column in range(len(heads)) if any(row[column] for row in rows)]
    return Grid(heads=[heads[column] for column in kept], rows=[[row[column] for column in kept] for row in rows])


def _word(state: str, dry_run: bool) -> str:
    return "to generate" if dry_run and state == "generated" else state


def _place(item: Mapping[str, Any], dry_run: bool) -> tuple[str, ...]:
    name = str(item.get("name", ""))
    return (
        name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…",
        str(item.get("track") or ""),
        str(item.get("timeline_start_tc") or ""),
        _seconds(item.get("timeline_start_s")),
        _seconds(item.get("timeline_duration_s")),
        _word(str(item.get("status", "")), dry_run),
    )


def _planned(item: Mapping[str, Any]) -> tuple[str, ...]:
    speed, media = item.get("speed"), str(item.get("source") or "")
    return (
        PurePath(media.replace("\\", "/")).name,
        _seconds(item.get("source_start_s")),
        "" if speed in (None, 1) else f"{speed:.4g}",
        str(item.get("prompt") or ""),
        str(len(item.get("hit_items") or []) or ""),
    )


def _made(item: Mapping[str, Any], made: Literal["stems", "pictures"]) -> str:
    own, files = item.get("hit_items") or [], item.get(made) or []
    if own:
        return f"{len(own)} items, {len(files)} files" if len(own) > 1 else f"1 item, {len(files)} files"
    more = _level if made == "stems" else _frames
    return "; ".join(f"{PurePath(file['path']).name}{more(file)}" for file in files)


def _level(stem: Mapping[str, Any]) -> str:
    loudness, peak = stem.get("lufs"), stem.get("true_peak_dbtp")
    said = [
        f"{value:.1f} {unit}" for value, unit in ((loudness, "LUFS"), (peak, "dBTP")) if isinstance(value, int | float)
    ]
    return f" ({', '.join(said)})" if said else ""


def _frames(picture: Mapping[str, Any]) -> str:
    size = f"{picture['width']}x{picture['height']}"
    return f" ({picture['frames']} frames of {size} at {picture['rate']:.6g} per second)"


def _disk(disk: Mapping[str, int]) -> str:
    parts = ", ".join(f"{amount(size, 'bytes')} {name.removesuffix('_bytes')}" for name, size in disk.items() if size)
    return f"about {amount(sum(disk.values()), 'bytes')} on disk: {parts}"


def _seconds(value: Any) -> str:
    return f"{value:.2f} s" if isinstance(value, int | float) else ""

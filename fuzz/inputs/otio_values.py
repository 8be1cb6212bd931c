"""OTIO objects as JSON, of every schema that OTIO has for timelines."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from fuzz.cut import RATES, Cut
from fuzz.damage import json_text
from fuzz.values import names, odd_numbers, odd_values, seldom, urls

Json = dict[str, Any]

_COLOURS = ("RED", "GREEN", "PINK", "nothing")
_MARKS = ("FOLEY: steps", "FOLEY footsteps", "foley:", "AMB: rain", "hit", "Foley - door")


def time(value: float, rate: float) -> Json:
    """Return a RationalTime."""
    return {"OTIO_SCHEMA": "RationalTime.1", "rate": rate, "value": value}


def span(start: float, duration: float, rate: float) -> Json:
    """Return a TimeRange."""
    return {"OTIO_SCHEMA": "TimeRange.1", "start_time": time(start, rate), "duration": time(duration, rate)}


def timeline(tracks: list[Any], start: Json | None = None, name: str = "cut") -> Json:
    """Return a Timeline."""
    stack = {**_item("Stack.1", "tracks"), "children": tracks}
    return {
        "OTIO_SCHEMA": "Timeline.1",
        "metadata": {},
        "name": name,
        "global_start_time": start,
        "tracks": stack,
    }


def track(children: list[Any], kind: str = "Video", name: str = "V1") -> Json:
    """Return a Track."""
    return {**_item("Track.1", name), "children": children, "kind": kind}


def of_cut(cut: Cut) -> Json:
    """Return the timeline of an edit."""
    rate = cut.rate.written
    children: list[Json] = []
    for clip in cut.clips:
        if clip.gap:
            children.append({**_item("Gap.1", ""), "source_range": span(0, clip.gap, rate)})
        # OTIO's time warps change no duration: the range is that on the timeline.
        made = _clip_of(clip.media, span(clip.first, clip.frames, rate), clip.name)
        if clip.speed != 1:
            made["effects"] = [_warp(float(clip.speed))]
        children.append(made)
    return timeline([track(children)], start=time(cut.start, rate))


def of_media(url: str, frames: int, kind: str = "Video") -> bytes:
    """Return a timeline file of a clip of one medium, below or above one of a film that is whole."""
    clips = [_clip_of(one, span(0, frames, 24)) for one in (url, "a.mp4")]
    return json_text(timeline([track([clips[1]]), track([clips[0]], kind, "T")]))


@st.composite
def timelines(draw: st.DrawFn) -> Json:
    """Return a timeline with objects of all kinds, nested and retimed, at any rates."""
    rate = draw(_rates)
    rows = draw(st.lists(_tracks(2), min_size=1, max_size=3))
    return timeline(rows, start=draw(st.none() | _times(st.just(rate))), name=draw(_texts))


def _item(schema: str, name: str) -> Json:
    return {
        "OTIO_SCHEMA": schema,
        "metadata": {},
        "name": name,
        "source_range": None,
        "effects": [],
        "markers": [],
        "enabled": True,
    }


_NO_RANGE: Json = {"metadata": {}, "name": "", "available_range": None, "available_image_bounds": None}


def _clip_of(url: str, shown: Json, name: str = "c") -> Json:
    ref = {"OTIO_SCHEMA": "ExternalReference.1", "target_url": url, **_NO_RANGE}
    media = {"media_references": {"DEFAULT_MEDIA": ref}, "active_media_reference_key": "DEFAULT_MEDIA"}
    return {**_item("Clip.2", name), "source_range": shown, **media}


def _warp(speed: Any) -> Json:
    return {
        "OTIO_SCHEMA": "LinearTimeWarp.1",
        "metadata": {},
        "name": "",
        "effect_name": "LinearTimeWarp",
        "time_scalar": speed,
    }


_rates = st.one_of(
    st.sampled_from([24.0, 25.0, 30.0]), st.sampled_from([rate.written for rate in RATES]), st.floats(0.1, 1000)
)
_numbers = seldom(odd_numbers, st.integers(0, 60) | st.floats(0, 60))
_speeds = seldom(odd_numbers, st.sampled_from([1, 2, 0.5, -1, 0, 1.0001]))
_whole_numbers = st.sampled_from([-(2**31), -1, 0, 1, 1001, 2**31 - 1])
_urls = urls.filter(lambda url: "\ud800" not in url)
_texts = names.filter(lambda name: not any("\ud800" <= sign <= "\udfff" for sign in name))


@st.composite
def _times(draw: st.DrawFn, rates: st.SearchStrategy[float] = _rates) -> Json:
    return time(draw(_numbers), draw(rates))


@st.composite
def _spans(draw: st.DrawFn) -> Json:
    rate = draw(_rates)
    start = draw(_numbers)
    return span(start, draw(seldom(_numbers, st.integers(1, 50))), rate)


@st.composite
def _marker(draw: st.DrawFn) -> Json:
    return {
        "OTIO_SCHEMA": "Marker.2",
        "metadata": {},
        "name": draw(st.sampled_from(_MARKS) | _texts),
        "color": draw(st.sampled_from(_COLOURS)),
        "comment": draw(st.just("") | _texts),
        "marked_range": draw(_spans()),
    }


@st.composite
def _effect(draw: st.DrawFn) -> Json:
    kind = draw(st.sampled_from(["warp", "warp", "freeze", "effect", "time"]))
    if kind == "warp":
        return _warp(draw(_speeds))
    schema = {"freeze": "FreezeFrame.1", "effect": "Effect.1", "time": "TimeEffect.1"}[kind]
    return {**_warp(0), "OTIO_SCHEMA": schema, "effect_name": draw(_texts)}


@st.composite
def _ref(draw: st.DrawFn) -> Json:
    schema = draw(st.sampled_from(["External", "External", "External", "Missing", "Generator", "ImageSequence"]))
    ref = {**_NO_RANGE, "OTIO_SCHEMA": f"{schema}Reference.1", "available_range": draw(st.none() | _spans())}
    if schema == "External":
        ref["target_url"] = draw(_urls)
    elif schema == "Generator":
        ref |= {"generator_kind": draw(st.sampled_from(["SMPTEBars", "black"])), "parameters": {}}
    elif schema == "ImageSequence":
        ref |= {
            "target_url_base": draw(st.sampled_from(["", "./", "/", "shot/"])),
            "name_prefix": draw(_texts),
            "name_suffix": ".png",
            "start_frame": draw(st.integers(0, 5) | _whole_numbers),
            "frame_step": draw(st.just(1) | _whole_numbers),
            "rate": draw(_rates),
            "frame_zero_padding": draw(st.integers(0, 9) | _whole_numbers),
            "missing_frame_policy": draw(st.sampled_from(["error", "hold", "black", "what"])),
        }
    return ref


@st.composite
def _clip(draw: st.DrawFn) -> Json:
    made = {**_item("Clip.2", draw(_texts)), "source_range": draw(st.none() | _spans())}
    keys = draw(st.lists(_texts, unique=True, max_size=2)) or ["DEFAULT_MEDIA"]
    made["media_references"] = {key: draw(_ref()) for key in keys}
    made["active_media_reference_key"] = draw(st.sampled_from([*keys, *keys, "gone"]))
    if draw(st.integers(0, 9)) == 0:
        # The schema of older programs.
        made = {**_item("Clip.1", made["name"]), "media_reference": draw(_ref()), "source_range": draw(_spans())}
    return _dressed(draw, made)


def _dressed(draw: st.DrawFn, made: Json) -> Json:
    """Return an item with some of what all items can have."""
    made["effects"] = draw(st.lists(_effect(), max_size=1))
    made["markers"] = draw(st.lists(_marker(), max_size=2))
    made["enabled"] = draw(st.sampled_from([True, True, True, False]))
    if draw(st.integers(0, 5)) == 0:
        made["metadata"] = draw(_metadata)
    return made


_metadata = st.dictionaries(
    st.sampled_from(["avlink", "fcp_xml", "Resolve_OTIO", "PremierePro_OTIO", "cmx_3600", "x"]),
    odd_values
    | st.dictionaries(
        st.sampled_from(["prompt", "negative", "seed", "gain_db", "mode", "id", "role", "take", "enabled", "x"]),
        odd_values | st.sampled_from(["rain", "ambience", "off", "sync"]),
        max_size=4,
    ),
    max_size=2,
)


@st.composite
def _gap(draw: st.DrawFn) -> Json:
    return _dressed(draw, {**_item("Gap.1", ""), "source_range": draw(_spans())})


@st.composite
def _transition(draw: st.DrawFn) -> Json:
    return {
        "OTIO_SCHEMA": "Transition.1",
        "metadata": {},
        "name": draw(_texts),
        "transition_type": draw(st.sampled_from(["SMPTE_Dissolve", "Custom_Transition", ""])),
        "in_offset": draw(_times()),
        "out_offset": draw(_times()),
    }


@st.composite
def _tracks(draw: st.DrawFn, depth: int) -> Json:
    kinds = [_clip(), _clip(), _clip(), _gap(), _transition()]
    if depth:
        kinds += [_nested(depth - 1), _tracks(depth - 1)]
    children = draw(st.lists(st.one_of(kinds), max_size=4))
    kind = draw(st.sampled_from(["Video", "Video", "Video", "Audio", "Subtitle"]))
    made = {**_item("Track.1", draw(_texts)), "children": children, "kind": kind}
    made["source_range"] = draw(st.sampled_from([None, None, draw(_spans())]))
    return _dressed(draw, made)


@st.composite
def _nested(draw: st.DrawFn, depth: int) -> Json:
    made = {**_item("Stack.1", draw(_texts)), "children": draw(st.lists(_tracks(depth) | _clip(), max_size=2))}
    made["source_range"] = draw(st.sampled_from([None, draw(_spans())]))
    return _dressed(draw, made)

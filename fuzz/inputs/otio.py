"""Timelines as .otio, and as .otioz and .otiod, which hold their media."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace

from hypothesis import strategies as st

from fuzz.case import Case
from fuzz.cut import RATES, Cut, cuts
from fuzz.damage import damaged_json, damaged_text, json_text
from fuzz.inputs import otio_values
from fuzz.inputs.timelines import project_cases
from fuzz.values import names
from fuzz.workplace import media

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_LEADING_OUT = ("../out.txt", "/out.txt")


@st.composite
def files(draw: st.DrawFn) -> Case:
    """Return a case of a .otio file."""
    kind = draw(st.sampled_from(["whole", "any", "any", "damaged", "damaged", "text"]))
    if kind == "whole":
        cut = draw(cuts(RATES, names=names.filter(_is_text)))
        return draw(_case(json_text(otio_values.of_cut(cut)), whole=True, places=cut.places()))
    content = draw(otio_values.timelines())
    text = draw(damaged_json(content)) if kind == "damaged" else json_text(content)
    if kind == "text":
        text = draw(damaged_text(json_text(otio_values.of_cut(draw(cuts())))))
    return draw(_case(text))


@st.composite
def bundles(draw: st.DrawFn) -> Case:
    """Return a case of a .otioz file or a .otiod folder."""
    whole = draw(st.booleans())
    cut = draw(cuts(RATES))
    cut = replace(cut, clips=tuple(replace(clip, media=f"media/{clip.media}") for clip in cut.clips))
    inside: dict[str, bytes | None] = {clip.media: media()[clip.media.removeprefix("media/")] for clip in cut.clips}
    inside["content.otio"] = json_text(otio_values.of_cut(cut))
    inside["version.txt"] = b"1.0.0"
    if not whole:
        inside |= draw(_other_members())
        if draw(st.booleans()):
            inside["content.otio"] = draw(
                damaged_json(otio_values.of_cut(cut)) | otio_values.timelines().map(json_text)
            )
    if draw(st.booleans()):
        files = {f"cut.otiod/{name}": content for name, content in inside.items() if not name.startswith(_LEADING_OUT)}
        return draw(_bundle_case("cut.otiod", files, cut, whole=whole))
    packed = _zip(inside, zipfile.ZIP_STORED if whole else draw(st.sampled_from(_METHODS)))
    if not whole and draw(st.booleans()):
        packed = draw(damaged_text(packed) | _lying_zips(packed))
    return draw(_bundle_case("cut.otioz", {"cut.otioz": packed}, cut, whole=whole))


def _is_text(name: str) -> bool:
    """Return whether a name is one that OTIO gives back: no empty one, which has the name of its type then."""
    return bool(name) and "\0" not in name and name.isprintable()


def _case(text: bytes, *, whole: bool = False, places: object = None) -> st.SearchStrategy[Case]:
    return project_cases("cut.otio", {"cut.otio": text}, format="otio", places=places, whole=whole)  # type: ignore[arg-type]


def _bundle_case(name: str, files: dict[str, bytes | None], cut: Cut, *, whole: bool) -> st.SearchStrategy[Case]:
    return project_cases(name, files, format="bundle", whole=whole, places=cut.places() if whole else None)


def _zip(members: dict[str, bytes | None], method: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in members.items():
            # A fixed date, for equal bytes in every run.
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), content or b"", method)
    return packed.getvalue()


@st.composite
def _other_members(draw: st.DrawFn) -> dict[str, bytes | None]:
    """Return members that lead out of a bundle, stand in the way, or expand without end."""
    names = ["version.txt", "content.otio", "media/a.mp4", "media/\x01.wav", "C:\\x", *_LEADING_OUT, "media/../../x"]
    contents = st.binary(max_size=20) | st.just(b"\0" * 3_000_000) | st.just(b"1.0.0")
    return draw(st.dictionaries(st.sampled_from(names), contents, min_size=1, max_size=2))


@st.composite
def _lying_zips(draw: st.DrawFn, packed: bytes) -> bytes:
    """Return archives whose directory says other sizes, methods or offsets than its members."""
    changed = bytearray(packed)
    directory = changed.rfind(b"PK\x01\x02")
    for _ in range(draw(st.integers(1, 2))):
        at = directory + draw(st.sampled_from([8, 10, 16, 20, 24, 28, 38, 42]))
        changed[at : at + 4] = draw(st.sampled_from([0, 1, 99, 2**31, 2**32 - 1])).to_bytes(4, "little")
    return bytes(changed)

"""Commands and exports of projects, whatever their format."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import strategies as st

from fuzz.case import Case, Place

EXPORTS = ("otio", "otioz", "otiod", "csv", "rpp", "xml", "fcpxml", "edl", "kdenlive", "aaf")
"""Formats of `avlink export`, by their suffixes."""

_ALSO = ("rpp", "cues", "xml", "fcpxml", "edl")


@st.composite
def project_cases(
    draw: st.DrawFn,
    name: str,
    content: Mapping[str, bytes | None],
    *,
    format: str,
    places: tuple[Place, ...] | None = None,
    options: tuple[str, ...] = (),
    whole: bool = False,
) -> Case:
    """Return a case around a project: it is given sound, and exported; sometimes other commands read it as well.

    A `whole` project is given sound in the plainest way, so that its places are those of the report.
    """
    words = ["sonify", name, *options, "--skip-missing"]
    files = dict(content)
    if not whole:
        words += draw(
            st.lists(
                st.sampled_from(["--takes=2", "--duck=6", "--prompt={clip.name}", "--tracks=V1"]),
                unique=True,
                max_size=2,
            )
        )
        if draw(st.integers(0, 7)) == 0:
            words += ["-s", f'write.also=["{draw(st.sampled_from(_ALSO))}"]']
        if draw(st.integers(0, 7)) == 0:
            files |= draw(_in_the_way(name))
    elif draw(st.integers(0, 3)) == 0:
        # A preview is as long as its timeline: a day for some of those that are odd.
        words.append("--preview")
    output = draw(st.sampled_from([None, None, None, "out.otioz", "out.otiod", "sub/out.otio"]))
    if output is not None:
        words += ["-o", output]
    commands = [tuple(words)]
    if draw(st.integers(0, 3)) == 0:
        to = draw(st.sampled_from(EXPORTS))
        commands.append(("export", name, "--to", to, *options))
    if "--takes=2" in words:
        suffix = name.rpartition(".")[2] if name.endswith(("otioz", "otiod")) else "otio"
        made = output or f"{name.rpartition('.')[0]}.foley.{suffix}"
        commands.append(("takes", made, "--use", "2"))
    if draw(st.integers(0, 5)) == 0:
        commands.append(("visualize", name, *options, "--skip-missing"))
    exports = tuple(draw(st.lists(st.sampled_from(EXPORTS), unique=True, min_size=1, max_size=3)))
    return Case(format=format, files=files, commands=tuple(commands), exports=exports, places=places)


@st.composite
def _in_the_way(draw: st.DrawFn, name: str) -> dict[str, bytes | None]:
    """Return files of somebody else where a run would write its own."""
    base = name.rpartition(".")[0]
    places = [f"{base}.foley.otio", f"{base}.stems/notes.txt", f"{base}.stems", f"{base}.foley.csv", "out.otiod/a.txt"]
    chosen = draw(st.lists(st.sampled_from(places), unique=True, min_size=1, max_size=2))
    if f"{base}.stems" in chosen:
        chosen = [one for one in chosen if one != f"{base}.stems/notes.txt"]
    return {one: b"the only copy\n" for one in chosen}

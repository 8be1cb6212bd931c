"""FCPXML, as Final Cut Pro writes it: times are fractions of a second."""

from __future__ import annotations

from fractions import Fraction
from xml.etree import ElementTree as xml

from hypothesis import strategies as st

from fuzz.case import Case
from fuzz.cut import COMMON_RATES, Cut, cuts
from fuzz.damage import damaged_text, damaged_xml, extended_xml, xml_text
from fuzz.inputs.timelines import project_cases
from fuzz.workplace import MOVIE_S

_WORDS = (
    "1/24s",
    "0s",
    "3600s",
    "r1",
    "r9",
    "DF",
    "a.mp4",
    "clip",
    "sync-clip",
    "mc-clip",
    "ref-clip",
    "-1",
    "1001/0s",
)
_TIMES = ("0s", "1s", "3600s", "3601s", "1/24s", "1001/24000s", "86400/1s", "100100/2400s", "-1s", "5/2s")
_EXTRAS = (
    ("asset-clip", "<marker start='@' duration='@' value='FOLEY: steps'/>"),
    ("asset-clip", "<chapter-marker start='@' duration='@' value='c' posterOffset='@'/>"),
    ("asset-clip", "<conform-rate srcFrameRate='25' scaleEnabled='0'/>"),
    ("asset-clip", "<conform-rate srcFrameRate='what' scaleEnabled='1'/>"),
    (
        "asset-clip",
        "<timeMap><timept time='@' value='@' interp='linear'/><timept time='@' value='@' interp='linear'/></timeMap>",
    ),
    (
        "asset-clip",
        "<timeMap><timept time='0s' value='@'/><timept time='@' value='@'/><timept time='@' value='@'/></timeMap>",
    ),
    ("asset-clip", "<asset-clip ref='r2' lane='1' offset='@' start='@' duration='@' name='up'/>"),
    ("asset-clip", "<asset-clip ref='r2' lane='-1' offset='@' duration='@' name='down' audioRole='effects'/>"),
    ("asset-clip", "<title lane='2' offset='@' duration='@' name='t'><text>t</text></title>"),
    ("asset-clip", "<audio-channel-source role='dialogue'/>"),
    ("asset-clip", "<note>AMB: rain</note>"),
    ("gap", "<asset-clip ref='r2' lane='1' offset='@' start='@' duration='@' name='over'/>"),
    ("spine", "<transition offset='@' duration='@' name='Cross Dissolve'/>"),
    ("spine", "<sync-clip offset='@' duration='@' name='s'><asset-clip ref='r2' duration='@'/></sync-clip>"),
    (
        "spine",
        "<sync-clip offset='@' duration='@'><spine><asset-clip ref='r2' offset='@' duration='@'/></spine></sync-clip>",
    ),
    ("spine", "<ref-clip ref='m1' offset='@' start='@' duration='@' name='compound'/>"),
    (
        "spine",
        "<mc-clip ref='m2' offset='@' duration='@' name='multi'><mc-source angleID='a' srcEnable='all'/></mc-clip>",
    ),
    ("spine", "<clip offset='@' start='@' duration='@' name='c'><video ref='r2' offset='@' duration='@'/></clip>"),
    ("spine", "<video ref='r2' offset='@' start='@' duration='@' name='v'/>"),
    ("spine", "<audition offset='@' duration='@'><asset-clip ref='r2' duration='@'/></audition>"),
    ("spine", "<storyline/>"),
    (
        "resources",
        "<media id='m1' name='nest'><sequence format='r1' duration='@'><spine><asset-clip ref='r2' offset='@' "
        "start='@' duration='@'/></spine></sequence></media>",
    ),
    ("resources", "<media id='m1'><sequence><spine><ref-clip ref='m1' duration='@'/></spine></sequence></media>"),
    (
        "resources",
        "<media id='m2'><multicam format='r1'><mc-angle name='A' angleID='a'><asset-clip ref='r2' offset='@' "
        "duration='@'/></mc-angle></multicam></media>",
    ),
    ("resources", "<format id='r1' name='FFVideoFormat1080p2997'/>"),
    ("resources", "<effect id='e1' name='Blur' uid='x'/>"),
    ("asset", "<media-rep kind='proxy-media' src='b.mov'/>"),
    ("asset", "<media-rep kind='original-media' src='./a.mp4'/>"),
    ("event", "<project name='other'><sequence format='r1'><spine/></sequence></project>"),
)
"""Elements that the program writes as well."""


@st.composite
def files(draw: st.DrawFn) -> Case:
    """Return a case of an .fcpxml file."""
    kind = draw(st.sampled_from(["whole", "rich", "rich", "damaged", "damaged", "text"]))
    cut = draw(cuts(COMMON_RATES, speeds=(Fraction(1), Fraction(1), Fraction(2))))
    root = project(cut)
    if kind == "whole":
        content = {"cut.fcpxml": xml_text(root)}
        return draw(project_cases("cut.fcpxml", content, format="fcpxml", places=cut.places(), whole=True))
    root = draw(extended_xml(root, _EXTRAS, _TIMES))
    if kind == "rich":
        broken = xml_text(root)
    else:
        broken = draw(damaged_xml(root, _WORDS) if kind == "damaged" else damaged_text(xml_text(root)))
    return draw(project_cases("cut.fcpxml", {"cut.fcpxml": broken}, format="fcpxml"))


def project(cut: Cut) -> xml.Element:
    """Return the project of an edit."""
    frame_s = 1 / cut.rate.exact
    root = xml.Element("fcpxml", version="1.9")
    resources = xml.SubElement(root, "resources")
    xml.SubElement(resources, "format", id="r1", frameDuration=_time(frame_s), width="48", height="32")
    event = xml.SubElement(xml.SubElement(root, "library"), "event", name="e")
    made = xml.SubElement(
        xml.SubElement(event, "project", name="cut"),
        "sequence",
        format="r1",
        duration=_time(cut.length * frame_s),
        tcStart=_time(cut.start * frame_s),
        tcFormat="NDF",
    )
    spine = xml.SubElement(made, "spine")
    assets: dict[str, str] = {}
    for clip, at in zip(cut.clips, cut.starts(), strict=True):
        if clip.gap:
            gap = {"offset": _time((cut.start + at - clip.gap) * frame_s), "duration": _time(clip.gap * frame_s)}
            xml.SubElement(spine, "gap", gap, name="Gap", start="3600s")
        if clip.media not in assets:
            assets[clip.media] = f"r{len(assets) + 2}"
            asset = {"id": assets[clip.media], "src": clip.media.replace(" ", "%20"), "name": clip.media}
            xml.SubElement(resources, "asset", asset, start="0s", duration=f"{MOVIE_S}s", hasVideo="1", format="r1")
        element = xml.SubElement(
            spine,
            "asset-clip",
            ref=assets[clip.media],
            name=clip.name,
            offset=_time((cut.start + at) * frame_s),
            # A retimed clip counts in its own, retimed time.
            start=_time(clip.first * frame_s / clip.speed),
            duration=_time(clip.frames * frame_s),
        )
        if clip.speed != 1:
            points = xml.SubElement(element, "timeMap")
            for value_s in (Fraction(0), Fraction(MOVIE_S)):
                at_s = {"time": _time(value_s / clip.speed), "value": _time(value_s)}
                xml.SubElement(points, "timept", at_s, interp="linear")
    return root


def _time(value: Fraction) -> str:
    return f"{value.numerator}s" if value.denominator == 1 else f"{value.numerator}/{value.denominator}s"

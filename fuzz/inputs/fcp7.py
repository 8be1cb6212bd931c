"""Final Cut Pro 7 XML, as Premiere and Resolve write it."""

from __future__ import annotations

from fractions import Fraction
from xml.etree import ElementTree as xml

from hypothesis import strategies as st

from fuzz.case import Case
from fuzz.cut import COMMON_RATES, Cut, Rate, cuts
from fuzz.damage import damaged_text, damaged_xml, extended_xml, xml_text
from fuzz.inputs.timelines import project_cases

_ONE = (Fraction(1),)
_TIMES = ("-1", "0", "1", "12", "24", "30", "100", "250")
_SPEED = "<filter><effect><name>Time Remap</name><effectid>timeremap</effectid>{}</effect></filter>"
_SETTING = "<parameter><parameterid>{}</parameterid><value>{}</value></parameter>"
_EXTRAS = (
    *(
        ("clipitem", _SPEED.format("".join(_SETTING.format(*one) for one in settings)))
        for settings in (
            (("variablespeed", 0), ("speed", 200), ("reverse", "FALSE")),
            (("variablespeed", 0), ("speed", 50), ("reverse", "TRUE")),
            (("variablespeed", 0), ("speed", -100)),
            (("variablespeed", 1), ("speed", 0)),
            (("speed", 0),),
        )
    ),
    (
        "clipitem",
        "<filter><effect><effectid>timeremap</effectid><parameter><parameterid>graphdict</parameterid>"
        "<keyframe><when>0</when><value>@</value></keyframe><keyframe><when>@</when><value>@</value></keyframe>"
        "</parameter></effect></filter>",
    ),
    ("clipitem", "<stillframe>TRUE</stillframe>"),
    ("clipitem", "<enabled>FALSE</enabled>"),
    ("clipitem", "<marker><name>FOLEY: steps</name><comment/><in>@</in><out>@</out></marker>"),
    ("clipitem", "<start>@</start>"),
    ("clipitem", "<end>@</end>"),
    ("clipitem", "<rate><timebase>0</timebase><ntsc>FALSE</ntsc></rate>"),
    (
        "clipitem",
        "<sequence id='s2'><name>nest</name><duration>@</duration><media><video><track/></video></media></sequence>",
    ),
    ("clipitem", "<sequence id='sequence-1'/>"),
    ("sequence", "<marker><name>AMB: rain</name><in>@</in><out>@</out></marker>"),
    ("track", "<transitionitem><start>@</start><end>@</end><alignment>center</alignment></transitionitem>"),
    ("track", "<generatoritem><name>Color</name><start>@</start><end>@</end><in>0</in><out>@</out></generatoritem>"),
    (
        "track",
        "<clipitem id='x'><name>n</name><start>@</start><end>@</end><in>@</in><out>@</out>"
        "<file id='file-1'/></clipitem>",
    ),
    ("track", "<clipitem id='y'><name>y</name><start>@</start><end>@</end><file id='gone'/></clipitem>"),
    ("track", "<enabled>FALSE</enabled>"),
    (
        "video",
        "<track><clipitem><name>up</name><start>@</start><end>@</end><in>@</in><out>@</out>"
        "<file id='file-1'/></clipitem></track>",
    ),
    (
        "media",
        "<audio><track><clipitem id='s'><name>s</name><start>@</start><end>@</end><in>@</in><out>@</out>"
        "<file id='file-9'><name>voice.wav</name><pathurl>voice.wav</pathurl></file>"
        "<sourcetrack><mediatype>audio</mediatype><trackindex>1</trackindex></sourcetrack></clipitem></track></audio>",
    ),
    ("file", "<timecode><string>01:00:00;00</string><frame>@</frame><displayformat>DF</displayformat></timecode>"),
    ("file", "<duration>@</duration>"),
    ("timecode", "<string>23:59:59:23</string>"),
    ("xmeml", "<bin><children><sequence id='s9'><name>other</name><media><video/></media></sequence></children></bin>"),
)
"""Elements that programs write as well."""
_WORDS = (
    "TRUE",
    "FALSE",
    "-1",
    "0",
    "a.mp4",
    "DF",
    "NDF",
    "timeremap",
    "00:00:00;00",
    "23.976",
    "sequence-1",
    "file-1",
)


@st.composite
def files(draw: st.DrawFn) -> Case:
    """Return a case of an .xml file."""
    kind = draw(st.sampled_from(["whole", "rich", "rich", "damaged", "damaged", "text"]))
    cut = draw(cuts(COMMON_RATES, speeds=_ONE))
    root = sequence(cut)
    if kind == "whole":
        content = {"cut.xml": xml_text(root)}
        return draw(project_cases("cut.xml", content, format="xml", places=cut.places(), whole=True))
    root = draw(extended_xml(root, _EXTRAS, _TIMES))
    if kind == "rich":
        broken = xml_text(root)
    else:
        broken = draw(damaged_xml(root, _WORDS) if kind == "damaged" else damaged_text(xml_text(root)))
    return draw(project_cases("cut.xml", {"cut.xml": broken}, format="xml"))


def sequence(cut: Cut) -> xml.Element:
    """Return the sequence of an edit."""
    root = xml.Element("xmeml", version="5")
    made = xml.SubElement(root, "sequence", id="sequence-1")
    _put(made, name="cut", duration=cut.length)
    _rate(made, cut.rate)
    timecode = xml.SubElement(made, "timecode")
    _rate(timecode, cut.rate)
    _put(timecode, frame=cut.start, displayformat="NDF")
    video = xml.SubElement(xml.SubElement(made, "media"), "video")
    track = xml.SubElement(video, "track")
    files: dict[str, str] = {}
    for number, (clip, at) in enumerate(zip(cut.clips, cut.starts(), strict=True), start=1):
        item = xml.SubElement(track, "clipitem", id=f"clipitem-{number}")
        _put(item, name=clip.name, enabled="TRUE", duration=9 * cut.rate.timebase)
        _rate(item, cut.rate)
        _put(item, start=at, end=at + clip.frames, **{"in": clip.first, "out": clip.first + clip.frames})
        _file(item, clip.media, files, cut.rate)
    return root


def _file(item: xml.Element, media: str, files: dict[str, str], rate: Rate) -> None:
    if media in files:
        xml.SubElement(item, "file", id=files[media])
        return
    files[media] = f"file-{len(files) + 1}"
    file = xml.SubElement(item, "file", id=files[media])
    _put(file, name=media, pathurl=media.replace(" ", "%20"))
    _rate(file, rate)
    _put(file, duration=9 * rate.timebase)
    look = xml.SubElement(xml.SubElement(xml.SubElement(file, "media"), "video"), "samplecharacteristics")
    _put(look, width=48, height=32)


def _rate(parent: xml.Element, rate: Rate) -> None:
    _put(xml.SubElement(parent, "rate"), timebase=rate.timebase, ntsc="TRUE" if rate.ntsc else "FALSE")


def _put(parent: xml.Element, **texts: object) -> None:
    for tag, value in texts.items():
        xml.SubElement(parent, tag).text = str(value)

"""The formats of this package as components of `avlink export --to` and of a recipe's `write.also`."""

from __future__ import annotations

from avlink import hookimpl
from avlink.hooks import TimelineFormat


@hookimpl
def avlink_timeline_formats() -> list[TimelineFormat]:
    """Offer the cue sheet, the projects of Reaper and Kdenlive, both XMLs, AAF and EDL, and two lists of hits."""
    return [
        TimelineFormat(name="aaf", suffix=".aaf", write="avlink_otio.aaf:write"),
        TimelineFormat(name="cues", suffix=".csv", write="avlink_otio.cues:write", needs_media=False),
        TimelineFormat(name="edl", suffix=".edl", write="avlink_otio.edl:write"),
        TimelineFormat(name="fcpxml", suffix=".fcpxml", write="avlink_otio.fcpxml:write"),
        TimelineFormat(name="kdenlive", suffix=".kdenlive", write="avlink_otio.kdenlive:write"),
        TimelineFormat(name="protools", suffix=".txt", write="avlink_otio.hit_lists:write_protools", needs_media=False),
        TimelineFormat(name="rpp", suffix=".rpp", write="avlink_otio.rpp:write"),
        TimelineFormat(name="vtt", suffix=".vtt", write="avlink_otio.hit_lists:write_vtt", needs_media=False),
        TimelineFormat(name="xml", suffix=".xml", write="avlink_otio.xmeml:write"),
    ]

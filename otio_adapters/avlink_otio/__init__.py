"""AVLink's OpenTimelineIO plugin: its adapters and its hook are listed in plugin_manifest.json beside this file.

`avlink_cues` and `avlink_rpp` own their suffixes; the others are for sound only and are asked for by name, because
OTIO has adapters of its own for .xml, .fcpxml, .aaf and .edl.
"""

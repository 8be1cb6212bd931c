"""AVLink's OpenTimelineIO plugin: the adapter `avlink_cues`, listed in plugin_manifest.json beside this file."""

"""OTIO timelines in, frozen values out, stems back in: walk, select, resolve, plan, place, flatten.

All times are exact seconds on the timeline. The package opens project files and no media file.
File formats belong in `timeline.formats`, decoding in `media`, the order of steps in `edit`.
"""

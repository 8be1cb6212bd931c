"""One module for each project format that is read in a way of our own, reading and writing together.

A module turns a file into an OTIO timeline or back. What a timeline means (clips, times, markers) belongs in
`avlink.timeline`, writers for other programs in the `avlink_otio` adapters.
"""

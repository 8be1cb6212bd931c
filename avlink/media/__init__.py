"""Media files to and from waveforms and frames, by PyAV: probing, decoding, Broadcast Wave, loudness, movies, muxing.

Input and output are the values of `core.values`; every time is an exact fraction of a second.
Timelines belong in `timeline`, tensors in `engine`, and deciding which files are read or written in `edit`.
"""

"""Files to and from waveforms and frames, by PyAV: probing, decoding, Broadcast Wave, loudness, movies, muxing.

Values in and out are those of `core.values`, and every time is an exact fraction of a second.
Media knows no timeline and no tensor.
"""

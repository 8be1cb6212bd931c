"""Files to and from waveforms and frames. Knows no timeline and no tensor."""

"""The processors that finish stems: declick, fades, peak cap, effects of pydub. Pure functions on arrays."""

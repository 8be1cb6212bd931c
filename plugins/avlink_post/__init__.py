"""The processors that finish stems: declick, fades, peak cap. Pure functions on numpy arrays."""

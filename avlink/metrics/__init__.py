"""Scores: onsets, sync, spectra, Fréchet distances. Arrays in, numbers out.

Every function is pure: no file, model or random state.
Reading files and calling models to be scored belongs in `evaluation`.
"""

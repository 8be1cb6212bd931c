"""Clips for training out of other people's files: what there is, what is made of it, and what was made before."""

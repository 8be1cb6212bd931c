"""Scores: what was heard, when, and how near it is to what should have been heard. Arrays in, numbers out."""

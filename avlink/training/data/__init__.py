"""Clips for training: sources, plans, shards on disk, and what is computed of clips once.

Modules here read films and tables, decode them in processes and write shards of plain arrays.
Losses and augmentation belong in `training.stages`.
"""

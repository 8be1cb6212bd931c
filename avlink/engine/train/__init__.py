"""Training: clips on disk, stages, objectives, optimiser, checkpoints and the loop."""

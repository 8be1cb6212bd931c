"""Everything in a training that involves recipes, files or data: stages, journal, samples, validation.

`training.data` prepares and reads clips, `training.stages` says what each stage learns, `training.train` runs them.
The loop itself, optimisers, sharding and checkpoints work on tensors alone and belong in `engine.train`.
"""

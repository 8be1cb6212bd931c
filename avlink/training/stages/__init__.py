"""The stages of a training, in the paper's order: codec, each backbone alone, then the fusion between them.

A stage combines a loss with the clips that it draws; `build` puts the stages of a recipe together.
The layers belong in `engine.nn`, the loop that runs a stage in `engine.train`.
"""

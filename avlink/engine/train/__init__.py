"""The training loop: steps, optimisers, sharding, checkpoints. What is learned, and from what, are arguments.

Modules here know tensors, ranks and checkpoint folders.
Recipes, clips, journals and validation belong in `avlink.training`.
"""

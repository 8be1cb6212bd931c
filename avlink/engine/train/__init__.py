"""The training loop: steps, optimisers, sharding, checkpoints. Stages, clips and journals are arguments.

Modules here know tensors, ranks and checkpoint folders.
Recipes, data, journals and validation belong in `avlink.training`.
"""

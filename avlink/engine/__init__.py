"""Tensors in, tensors out: layers, flow, codec, text, sampling, bundles, public checkpoints and the training loop.

Start at `engine.avlink`, which reads as section 3 of the paper. Nothing here reads a recipe, a timeline or a video.
Stages and data of a training belong in `avlink.training`, file decoding in `avlink.media`.
"""

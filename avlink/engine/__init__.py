"""Tensors in, tensors out: the AV-Link model, its codec, sampling, bundles and training."""

"""Layers: attention, rotary positions, embeddings, the DiT backbones, and the networks that see motion.

Modules that map tensors to tensors. The Fusion Blocks that link backbones are in `engine.avlink`.
"""

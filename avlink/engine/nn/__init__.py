"""Layers: attention, rotary positions, DiT, Fusion Block, motion stem."""

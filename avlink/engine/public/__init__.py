"""Public checkpoints of VAEs and vocoders: reading a file, recognising its network, and loading it.

Layouts and spectrograms of other people's models. AVLink's own format is `engine.bundle`.
"""

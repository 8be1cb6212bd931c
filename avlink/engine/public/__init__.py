"""Public checkpoints of VAEs and vocoders: what a file holds, and as which configuration and weights it is read."""

"""Text encoders (section 3.2): T5, and a small trainable encoder of bytes.

Strings to embeddings. How often prompts are dropped in training belongs in `avlink.training`.
"""

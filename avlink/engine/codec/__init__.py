"""The audio codec (section 3.2): log-mel spectrograms, the 1D-VAE, and vocoders.

Sound to latents and back. How latents are generated belongs in `engine.sampling`.
"""

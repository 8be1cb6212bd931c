"""Sound to latents and back: mel, 1D-VAE, vocoders."""

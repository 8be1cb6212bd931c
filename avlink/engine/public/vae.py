"""Public 1D-VAEs: sizes are read from the weights, spectrograms are those of the publishers' code."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from avlink.core.codec_config import MelSpec, VAEConfig
from avlink.core.errors import BundleError
from avlink.engine.codec.vae import MelVAE
from avlink.engine.public.checkpoint import Checkpoint
from avlink.engine.public.component import PublicComponent

GENAU_MEL = MelSpec(scaled=False)
"""GenAU: 64 Slaney bands of 16 kHz every 10 ms, natural logarithm of the magnitude."""
MAKE_AN_AUDIO_MEL = MelSpec(hop_samples=256, n_mels=80, scaled=False, log="decimal", power_floor=1e-9)
"""Make-An-Audio 2: 80 bands every 16 ms, decimal logarithm."""

_OURS = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")


def is_vae(tensors: Mapping[str, Tensor]) -> bool:
    """Return True for weights of latent diffusion's autoencoder, in one dimension or two."""
    return "encoder.conv_in.weight" in tensors and "quant_conv.weight" in tensors


def read_vae(checkpoint: Checkpoint) -> PublicComponent:
    """Return the VAE of a checkpoint of GenAU or Make-An-Audio 2, of any width.

    Raises BundleError for other networks.
    """
    tensors = {key: value for key, value in checkpoint.tensors.items() if key.startswith(_OURS)}
    config, n_mels = _config(tensors, checkpoint)
    # Nothing in a file names its model. Only Make-An-Audio 2 has kernels of five at the ends.
    second = config.kernel == 5
    mel = (MAKE_AN_AUDIO_MEL if second else GENAU_MEL).model_copy(update={"n_mels": n_mels})
    vae = MelVAE(config, n_mels)
    # Latent diffusion multiplies latents by the factor; this codec divides by the deviation.
    scale = 1.0 if checkpoint.latent_scale is None else 1.0 / checkpoint.latent_scale
    # Latent diffusion scales all channels by one factor, and does not centre them.
    whitening = {
        "latent_mean": torch.zeros(config.latent_channels),
        "latent_std": torch.full((config.latent_channels,), scale),
    }
    return PublicComponent(
        name="vae",
        title="Make-An-Audio 2's 1D-VAE" if second else "GenAU's 1D-VAE",
        licence="MIT" if second else "Snap, non-commercial research only",
        mel=mel,
        config=config,
        module=vae,
        source=checkpoint.path,
    ).loaded(tensors | whitening)


def _config(tensors: Mapping[str, Tensor], checkpoint: Checkpoint) -> tuple[VAEConfig, int]:
    first = tensors["encoder.conv_in.weight"]
    if first.ndim != 3:
        raise BundleError(
            f"{checkpoint.path} holds an autoencoder of {first.ndim - 2} dimensions; AVLink's is of one: "
            "take GenAU's or Make-An-Audio 2's"
        )
    try:
        channels, n_mels, kernel = first.shape
        # Lists in the weights are numbered without gaps.
        levels = 1 + max(_indices(tensors, r"encoder\.down\.(\d+)\."))
        widths = [tensors[f"encoder.down.{level}.block.0.conv1.weight"].shape[0] for level in range(levels)]
        # At the ends both halves have one kernel, but Make-An-Audio 2's residual blocks have another in the decoder.
        decoder_kernel = tensors["decoder.mid.block_1.conv1.weight"].shape[-1]
        config = VAEConfig(
            channels=channels,
            mult=tuple(width // channels for width in widths),
            encoder_blocks=1 + max(_indices(tensors, r"encoder\.down\.0\.block\.(\d+)\.")),
            decoder_blocks=1 + max(_indices(tensors, r"decoder\.up\.0\.block\.(\d+)\.")),
            kernel=kernel,
            decoder_kernel=None if decoder_kernel == kernel else decoder_kernel,
            halved=tuple(sorted(set(_indices(tensors, r"encoder\.down\.(\d+)\.downsample\.")))),
            pad_late=kernel == 5,
            z_channels=tensors["decoder.conv_in.weight"].shape[1],
            latent_channels=tensors["post_quant_conv.weight"].shape[1],
        )
    except (KeyError, ValueError):
        raise BundleError(
            f"{checkpoint.path} holds an autoencoder that is built otherwise than GenAU's and Make-An-Audio 2's"
        ) from None
    return config, n_mels


def _indices(tensors: Mapping[str, Tensor], pattern: str) -> list[int]:
    return [int(found[1]) for key in tensors if (found := re.match(pattern, key))]

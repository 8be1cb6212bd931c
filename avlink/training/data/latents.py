"""Latents of prepared clips, named by the mel and the VAE that they come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from avlink.core.architecture import AVLinkConfig, MelSpec
from avlink.core.hashing import digest
from avlink.engine.bundle import tensor_digest
from avlink.engine.codec.mel import LogMel
from avlink.engine.codec.vae import MelVAE
from avlink.training.data.clip_rows import ClipRows
from avlink.training.data.clips import ClipStore

_BATCH = 25


def vae_key(vae: MelVAE, config: AVLinkConfig) -> str:
    """Names what latents depend on: the mel, the VAE and its weights."""
    weights = {name: tensor_digest(value) for name, value in vae.state_dict().items()}
    return digest([config.mel.model_dump(mode="json"), config.vae.model_dump(mode="json"), weights])[:12]


@torch.no_grad()
def encode(
    vae: MelVAE, mel: LogMel, clips: ClipStore, indices: Sequence[int]
) -> Float[Tensor, "clips tokens channels"]:
    """Whitened latents of some clips, on the CPU; `vae` and `mel` are on one device."""
    device = next(vae.parameters()).device
    parts = [indices[start : start + _BATCH] for start in range(0, len(indices), _BATCH)]
    return torch.cat([vae.encode(mel(clips.sound(part).to(device))).float().cpu() for part in parts])


def make_latents(
    store: ClipRows,
    clips: ClipStore,
    vae: MelVAE,
    spec: MelSpec,
    shards: Sequence[int],
    on_clips: Callable[[int], None],
    device: str = "cpu",
) -> None:
    """Make the latents of some shards on `device`; `on_clips` hears how many clips are done.

    Raises OutputError where they cannot be written.
    """
    home = next(vae.parameters()).device
    vae.to(device)
    mel = LogMel(spec).to(device)
    for shard in shards:
        indices = store.indices(shard)
        store.put(shard, encode(vae, mel, clips, indices).numpy())
        on_clips(len(indices))
    vae.to(home)

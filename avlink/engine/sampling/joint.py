"""Sound and pictures at once, both from noise, for a model whose shared fusion was trained for it (section 4.4)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray

from avlink.engine.flow.schedule import euler_times
from avlink.engine.flow.solver import guide
from avlink.engine.pixels import to_bytes
from avlink.engine.system import System


@torch.no_grad()
def generate_joint(
    system: System, captions: Sequence[str], seeds: Sequence[int], *, steps: int = 16, guidance: float = 3.0
) -> tuple[Float[np.ndarray, "clips samples"], UInt8[np.ndarray, "clips frames height width 3"]]:
    """Generate one window of sound in [-1, 1] and of RGB pictures per caption.

    Both modalities share one flow time. Raises InputError if the model has a fusion for each direction instead.
    """
    model, config = system.linked("both"), system.config
    device = system.vae.latent_mean.device
    sounds: list[NDArray[np.float32]] = []
    pictures: list[NDArray[np.uint8]] = []
    for caption, seed in zip(captions, seeds, strict=True):
        # One caption after the other, each with its own generator: a clip is the same alone and in a batch.
        generator = torch.Generator().manual_seed(seed)
        a_t = torch.randn(1, config.window_tokens, config.vae.latent_channels, generator=generator).to(device)
        picture = config.picture
        shape = (1, picture.frames, 3, picture.height, picture.width)
        v_t = torch.randn(shape, generator=generator).to(device)
        texts = [
            (system.text_encoder("audio").encode([words]), system.text_encoder("video").encode([words]))
            for words in ((caption, "") if guidance != 1 else (caption,))
        ]
        knots = euler_times(steps)
        # Not `euler`, which moves one tensor: each velocity depends on both states, which must step together.
        for now, dt in zip(knots[:-1], knots.diff(), strict=True):
            # (1,), for both: with one flow time each side sees the other as noisy as itself, as in training.
            t = now.repeat(1).to(device)
            # The last of a guidance of 1 is the first: there is nothing to guide away from.
            seen = [model("both", a_t, v_t, t_a=t, t_v=t, text_a=text_a, text_v=text_v) for text_a, text_v in texts]
            a_t = a_t + float(dt) * guide(seen[0].audio, seen[-1].audio, guidance)
            v_t = v_t + float(dt) * guide(seen[0].video, seen[-1].video, guidance)
        sounds.append(system.codec.decode(a_t)[0].clamp(-1, 1).float().cpu().numpy())
        pictures.append(to_bytes(v_t[0]))
    return np.stack(sounds), np.stack(pictures)

"""The audio codec (section 3.2): sound to latents and back, of any length in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avlink.core.architecture import AVLinkConfig
from avlink.engine.codec.mel import LogMel
from avlink.engine.codec.vae import MelVAE
from avlink.engine.codec.vocoder import Vocos
from avlink.engine.windows import blend, plan_windows

_CONTEXT_FRAMES = 64
"""Context on each side of a block: more than a convolutional vocoder sees, so that blocks join without a seam."""
_CHUNK_FRAMES = 512


class AudioCodec:
    """A log-mel spectrogram, a VAE and a vocoder that share one `MelSpec`."""

    def __init__(self, config: AVLinkConfig, *, vae: MelVAE, vocoder: nn.Module) -> None:
        self.config, self.vae, self.vocoder = config, vae, vocoder
        self.mel = LogMel(config.mel).to(vae.latent_mean.device)

    def _fp32(self) -> torch.autocast:
        # Sound is coded in fp32 whatever the model runs in: the eight bits of bf16 are about 48 dB, audible as noise.
        return torch.autocast(self.vae.latent_mean.device.type, enabled=False)

    @property
    def samples_per_token(self) -> int:
        """Samples of sound for each latent token."""
        return self.config.mel.hop_samples * self.config.vae.downsampling

    def encode(self, sound: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch tokens channels"]:
        """Return whitened latents A_1; a partly covered last token is padded with silence."""
        sound = nn.functional.pad(sound, (0, -sound.shape[-1] % self.samples_per_token))
        return self.encode_blocks(lambda start, stop: sound[:, start:stop], sound.shape[-1] // self.samples_per_token)

    @torch.no_grad()
    def encode_blocks(
        self, read: Callable[[int, int], Float[Tensor, "batch samples"]], tokens: int
    ) -> Float[Tensor, "batch tokens channels"]:
        """Encode sound that `read(start, stop)` returns, window by window."""
        pieces, starts = [], []
        rate = self.config.tokens_per_second
        # In seconds: windows begin where tokens, pictures and motion frames all do.
        for window in plan_windows(tokens / rate, self.config.window_tokens / rate):
            start = round(window.start_s * rate)
            stop = start + round(window.duration_s * rate)
            piece = read(start * self.samples_per_token, stop * self.samples_per_token)
            # Window by window, as the VAE was trained: its attention and group norms see all frames at once.
            with self._fp32():
                # (tokens, batch, channels): `blend` lays pieces out along their first axis.
                pieces.append(self.vae.encode(self.mel(piece)).transpose(0, 1))
            starts.append(start)
        return blend(pieces, starts, tokens).transpose(0, 1)

    @torch.no_grad()
    def decode_mel(
        self,
        latents: Float[Tensor, "batch tokens channels"],
        start: int = 0,
        stop: int | None = None,
        decoded: dict[int, Tensor] | None = None,
    ) -> Float[Tensor, "batch mels frames"]:
        """Return mel frames [start, stop), decoded window by window as the VAE was trained, and blended.

        `decoded` keeps the windows of this call for the next one, which begins in some of them.
        """
        rate, step = self.config.tokens_per_second, self.config.vae.downsampling
        tokens = latents.shape[1]
        stop = tokens * step if stop is None else stop
        # Keyed by their first frame; the last call's windows are dropped unless this one needs them.
        before, pieces = dict(decoded or {}), dict[int, Tensor]()
        for window in plan_windows(tokens / rate, self.config.window_tokens / rate):
            first = round(window.start_s * rate)
            last = first + round(window.duration_s * rate)
            # Windows that do not overlap the requested frames cannot change them.
            if last * step > start and first * step < stop:
                known = before.get(first * step)
                with self._fp32():
                    pieces[first * step] = (
                        self.vae.decode(latents[:, first:last]).permute(2, 0, 1) if known is None else known
                    )
        if decoded is not None:
            decoded.clear()
            decoded.update(pieces)
        # Blended in the windows' own span, which begins before `start`.
        base = min(pieces)
        end = max(at + piece.shape[0] for at, piece in pieces.items())
        frames = blend(list(pieces.values()), [at - base for at in pieces], end - base)
        return frames[start - base : stop - base].permute(1, 2, 0)

    @torch.no_grad()
    def decode_blocks(
        self, latents: Float[Tensor, "batch tokens channels"]
    ) -> Iterator[Float[Tensor, "batch samples"]]:
        """Yield sound of whitened latents in blocks of about five seconds, `samples_per_token` samples per token."""
        hop, frames = self.config.mel.hop_samples, latents.shape[1] * self.config.vae.downsampling
        decoded: dict[int, Tensor] = {}
        # The mel is decoded with context on both sides, and the sound of the context is cut off.
        for start in range(0, frames, _CHUNK_FRAMES):
            stop = min(start + _CHUNK_FRAMES, frames)
            # Whole frames, and so whole hops: the cut is at a multiple of the hop.
            lead, tail = min(start, _CONTEXT_FRAMES), min(frames - stop, _CONTEXT_FRAMES)
            mel = self.decode_mel(latents, start - lead, stop + tail, decoded)
            # A vocoder with noise is told where it is: the noises of two blocks would differ where they meet, a click.
            place = (start - lead,) if isinstance(self.vocoder, Vocos) else ()
            with self._fp32():
                sound = self.vocoder(mel, *place)
            yield sound[:, lead * hop : (lead + stop - start) * hop]

    def decode(self, latents: Float[Tensor, "batch tokens channels"]) -> Float[Tensor, "batch samples"]:
        """Decode all latents at once."""
        return torch.cat(list(self.decode_blocks(latents)), dim=-1)

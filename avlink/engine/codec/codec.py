"""Sound to latents and back, of any length in bounded memory."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avlink.core.architecture import AVLinkConfig
from avlink.engine.codec.mel import LogMel
from avlink.engine.codec.vae import MelVAE
from avlink.engine.windows import blend, plan_windows

_CONTEXT_FRAMES = 64
_CHUNK_FRAMES = 1024


class AudioCodec:
    """Log-mel, VAE and vocoder that share one `MelSpec`."""

    def __init__(self, config: AVLinkConfig, *, vae: MelVAE, vocoder: nn.Module) -> None:
        self.config, self.vae, self.vocoder = config, vae, vocoder
        self.mel = LogMel(config.mel).to(vae.latent_mean.device)

    @property
    def samples_per_token(self) -> int:
        return self.config.mel.hop_samples * self.config.vae.downsampling

    @torch.no_grad()
    def encode(self, sound: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch tokens channels"]:
        """Whitened latents, one for each (started) token's worth of samples."""
        sound = nn.functional.pad(sound, (0, -sound.shape[-1] % self.samples_per_token))
        tokens = sound.shape[-1] // self.samples_per_token
        pieces, starts = [], []
        rate = self.config.tokens_per_second
        for window in plan_windows(tokens / rate, self.config.window_tokens / rate):
            start = round(window.start_s * rate)
            stop = start + round(window.duration_s * rate)
            piece = sound[:, start * self.samples_per_token : stop * self.samples_per_token]
            pieces.append(self.vae.encode(self.mel(piece)).transpose(0, 1))
            starts.append(start)
        return blend(pieces, starts, tokens).transpose(0, 1)

    @torch.no_grad()
    def decode_mel(self, latents: Float[Tensor, "batch tokens channels"]) -> Float[Tensor, "batch mels frames"]:
        """Mel frames, window by window as the VAE was trained, blended."""
        rate, step = self.config.tokens_per_second, self.config.vae.downsampling
        tokens = latents.shape[1]
        pieces, starts = [], []
        for window in plan_windows(tokens / rate, self.config.window_tokens / rate):
            start = round(window.start_s * rate)
            piece = self.vae.decode(latents[:, start : start + round(window.duration_s * rate)])
            pieces.append(piece.permute(2, 0, 1))
            starts.append(start * step)
        return blend(pieces, starts, tokens * step).permute(1, 2, 0)

    @torch.no_grad()
    def vocode(self, mel: Float[Tensor, "batch mels frames"]) -> Float[Tensor, "batch samples"]:
        """Sound of the frames, in chunks with more context than the vocoder can see."""
        hop, frames = self.config.mel.hop_samples, mel.shape[-1]
        out = []
        for start in range(0, frames, _CHUNK_FRAMES):
            stop = min(start + _CHUNK_FRAMES, frames)
            lead, tail = min(start, _CONTEXT_FRAMES), min(frames - stop, _CONTEXT_FRAMES)
            sound = self.vocoder(mel[..., start - lead : stop + tail])
            out.append(sound[:, lead * hop : (lead + stop - start) * hop])
        return torch.cat(out, dim=-1)

    def decode(self, latents: Float[Tensor, "batch tokens channels"]) -> Float[Tensor, "batch samples"]:
        """Sound of whitened latents: `samples_per_token` samples for each token."""
        return self.vocode(self.decode_mel(latents))

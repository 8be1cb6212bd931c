"""The 1D-VAE on mel frames (section 3.2, GenAU).

Names of parameters are latent diffusion's (Rombach et al. 2022), so that public weights fit. `PAPER` is GenAU's;
Make-An-Audio 2's differs in kernels, padding and the levels at which time is halved.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from avlink.core.codec_config import AnyVAEConfig, ConvNeXtVAEConfig, VAEConfig
from avlink.engine.codec.convnext import ConvNeXtBlock


def _norm(channels: int) -> nn.GroupNorm:
    # 32 groups and this epsilon are latent diffusion's: public weights depend on both.
    return nn.GroupNorm(32, channels, eps=1e-6)


class ResnetBlock(nn.Module):
    """A residual block of two convolutions with group norms."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        super().__init__()
        self.norm1 = _norm(in_channels)
        self.conv1 = nn.Conv1d(in_channels, out_channels, kernel, padding=kernel // 2)
        self.norm2 = _norm(out_channels)
        self.conv2 = nn.Conv1d(out_channels, out_channels, kernel, padding=kernel // 2)
        self.nin_shortcut: nn.Module = (
            nn.Identity() if in_channels == out_channels else nn.Conv1d(in_channels, out_channels, 1)
        )

    def forward(self, x: Float[Tensor, "batch c frames"]) -> Float[Tensor, "batch c2 frames"]:
        y = self.conv1(nn.functional.silu(self.norm1(x)))
        y = self.conv2(nn.functional.silu(self.norm2(y)))
        out: Tensor = self.nin_shortcut(x) + y
        return out


class AttentionBlock(nn.Module):
    """Self-attention of one head over all frames."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = _norm(channels)
        self.q, self.k, self.v, self.proj_out = (nn.Conv1d(channels, channels, 1) for _ in range(4))

    def forward(self, x: Float[Tensor, "batch c frames"]) -> Float[Tensor, "batch c frames"]:
        y = self.norm(x)
        # Convolutions of kernel 1 are linear layers under the names and shapes of public weights.
        # (batch, 1, frames, channels) each: one head.
        q, k, v = (layer(y).transpose(1, 2)[:, None] for layer in (self.q, self.k, self.v))
        # Without positions, as in latent diffusion: the convolutions on both sides of it see the order.
        attended = scaled_dot_product_attention(q, k, v)[:, 0].transpose(1, 2)
        out: Tensor = x + self.proj_out(attended)
        return out


class _Resample(nn.Module):
    """Halve time by a strided convolution, or double it by repetition and a convolution."""

    def __init__(self, channels: int, *, up: bool, pad_late: bool = False) -> None:
        super().__init__()
        self.up, self.pad_late = up, pad_late
        self.conv = nn.Conv1d(channels, channels, 3, stride=1 if up else 2, padding=0 if pad_late else 1)

    def forward(self, x: Float[Tensor, "batch c frames"]) -> Float[Tensor, "batch c frames2"]:
        if self.pad_late:
            # Asymmetric, as in the original autoencoder; GenAU pads one frame on each side instead.
            x = nn.functional.pad(x, (0, 1))
        out: Tensor = self.conv(x.repeat_interleave(2, dim=-1) if self.up else x)
        return out


class _Middle(nn.Module):
    """The two blocks and the attention at the coarsest level."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.block_1 = ResnetBlock(channels, channels, kernel)
        self.attn_1 = AttentionBlock(channels)
        self.block_2 = ResnetBlock(channels, channels, kernel)

    def forward(self, x: Float[Tensor, "batch c frames"]) -> Float[Tensor, "batch c frames"]:
        out: Tensor = self.block_2(self.attn_1(self.block_1(x)))
        return out


class _Level(nn.Module):
    """The blocks of one level, and the change of resolution after them."""

    def __init__(
        self, channels: list[int], kernel: int, *, down: bool = False, up: bool = False, pad_late: bool = False
    ) -> None:
        super().__init__()
        pairs = itertools.pairwise(channels)
        self.block = nn.ModuleList(ResnetBlock(a, b, kernel) for a, b in pairs)
        if down:
            self.downsample = _Resample(channels[-1], up=False, pad_late=pad_late)
        if up:
            self.upsample = _Resample(channels[-1], up=True)

    def forward(self, x: Float[Tensor, "batch c frames"]) -> Float[Tensor, "batch c2 frames2"]:
        for block in self.block:
            x = block(x)
        for name in ("downsample", "upsample"):
            if hasattr(self, name):
                x = getattr(self, name)(x)
        return x


class _MelEncoder(nn.Module):
    def __init__(self, config: VAEConfig, n_mels: int) -> None:
        super().__init__()
        widths = [config.channels * m for m in config.mult]
        self.conv_in = nn.Conv1d(n_mels, config.channels, config.kernel, padding=config.kernel // 2)
        # The first block of a level changes the width.
        starts = [config.channels, *widths[:-1]]
        self.down = nn.ModuleList(
            _Level(
                [start] + [width] * config.encoder_blocks,
                config.kernel,
                down=i in config.halvings,
                pad_late=config.pad_late,
            )
            for i, (start, width) in enumerate(zip(starts, widths, strict=True))
        )
        self.mid = _Middle(widths[-1], config.kernel)
        self.norm_out = _norm(widths[-1])
        self.conv_out = nn.Conv1d(widths[-1], 2 * config.z_channels, config.kernel, padding=config.kernel // 2)

    def forward(self, x: Float[Tensor, "batch mels frames"]) -> Float[Tensor, "batch z2 tokens"]:
        x = self.conv_in(x)
        for level in self.down:
            x = level(x)
        out: Tensor = self.conv_out(nn.functional.silu(self.norm_out(self.mid(x))))
        return out


class _MelDecoder(nn.Module):
    def __init__(self, config: VAEConfig, n_mels: int) -> None:
        super().__init__()
        widths = [config.channels * m for m in config.mult]
        kernel = config.decoder_kernel or config.kernel
        self.conv_in = nn.Conv1d(config.z_channels, widths[-1], config.kernel, padding=config.kernel // 2)
        self.mid = _Middle(widths[-1], kernel)
        # From the coarsest down, each level takes the width of the one before it.
        starts = [*widths[1:], widths[-1]]
        # up.0 is the finest level and runs last; level i doubles time if level i - 1 of the encoder halved it.
        self.up = nn.ModuleList(
            _Level([start] + [width] * config.decoder_blocks, kernel, up=i - 1 in config.halvings)
            for i, (start, width) in enumerate(zip(starts, widths, strict=True))
        )
        self.norm_out = _norm(widths[0])
        self.conv_out = nn.Conv1d(widths[0], n_mels, config.kernel, padding=config.kernel // 2)

    def forward(self, z: Float[Tensor, "batch z tokens"]) -> Float[Tensor, "batch mels frames"]:
        x = self.mid(self.conv_in(z))
        for level in reversed(list(self.up)):
            x = level(x)
        out: Tensor = self.conv_out(nn.functional.silu(self.norm_out(x)))
        return out


class _ConvNeXtEncoder(nn.Module):
    """The frames of a token side by side, then blocks at the rate of the tokens."""

    def __init__(self, config: ConvNeXtVAEConfig, n_mels: int) -> None:
        super().__init__()
        step, layers = config.downsampling, config.encoder_layers
        self.conv_in = nn.Conv1d(n_mels, config.dim, step, stride=step)
        hidden = config.mlp_ratio * config.dim
        self.blocks = nn.ModuleList(ConvNeXtBlock(config.dim, hidden, layers) for _ in range(layers))

    def forward(self, x: Float[Tensor, "batch mels frames"]) -> Float[Tensor, "batch dim tokens"]:
        x = self.conv_in(x)
        for block in self.blocks:
            x = block(x)
        return x


class _ConvNeXtDecoder(nn.Module):
    """Blocks at the rate of the tokens, then a few at that of the frames, across the borders of tokens."""

    def __init__(self, config: ConvNeXtVAEConfig, n_mels: int) -> None:
        super().__init__()
        step, layers, fine = config.downsampling, config.decoder_layers, config.fine_dim
        hidden = config.mlp_ratio * config.dim
        self.blocks = nn.ModuleList(ConvNeXtBlock(config.dim, hidden, layers) for _ in range(layers))
        self.up = nn.ConvTranspose1d(config.dim, fine, step, stride=step)
        self.fine = nn.ModuleList(
            ConvNeXtBlock(fine, config.mlp_ratio * fine, config.fine_layers) for _ in range(config.fine_layers)
        )
        self.conv_out = nn.Conv1d(fine, n_mels, 1)

    def forward(self, z: Float[Tensor, "batch dim tokens"]) -> Float[Tensor, "batch mels frames"]:
        for block in self.blocks:
            z = block(z)
        x = self.up(z)
        for block in self.fine:
            x = block(x)
        out: Tensor = self.conv_out(x)
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class Posterior:
    """A diagonal Gaussian over latents."""

    mean: Float[Tensor, "batch channels tokens"]
    log_variance: Float[Tensor, "batch channels tokens"]

    def sample(self, generator: torch.Generator) -> Float[Tensor, "batch channels tokens"]:
        """Draw latents by the reparameterisation trick (Kingma and Welling 2014)."""
        # Drawn on the generator's device, so that a seed gives the same noise on every device.
        noise = torch.randn(self.mean.shape, generator=generator, device=generator.device).to(self.mean.device)
        return self.mean + (0.5 * self.log_variance).exp() * noise

    def kl(self) -> Float[Tensor, ""]:
        """Return the divergence from the standard normal, in nats per value."""
        # The closed form for Gaussians (Kingma and Welling 2014, appendix B). A mean, not a sum: the weight of the term
        # depends on neither the length of a crop nor the number of channels.
        return 0.5 * (self.mean.square() + self.log_variance.exp() - 1 - self.log_variance).mean()


class LinearPath(nn.Module):
    """Linear maps from the mel frames of one token to its latent, and back. Not in GenAU."""

    def __init__(self, n_mels: int, frames: int, channels: int) -> None:
        super().__init__()
        self.frames = frames
        self.inward = nn.Linear(n_mels * frames, channels)
        self.outward = nn.Linear(channels, n_mels * frames)

    def encode(self, mel: Float[Tensor, "batch mels frames"]) -> Float[Tensor, "batch channels tokens"]:
        patches = rearrange(mel, "b m (t frames) -> b t (m frames)", frames=self.frames)
        return rearrange(self.inward(patches), "b t c -> b c t")

    def decode(self, z: Float[Tensor, "batch channels tokens"]) -> Float[Tensor, "batch mels frames"]:
        patches = self.outward(rearrange(z, "b c t -> b t c"))
        return rearrange(patches, "b t (m frames) -> b m (t frames)", frames=self.frames)

    @torch.no_grad()
    def fit(self, mel: Float[Tensor, "batch mels frames"]) -> None:
        """Set both maps to whitened principal components: latents of `mel` get zero mean and unit variance."""
        patches = rearrange(mel, "b m (t frames) -> (b t) (m frames)", frames=self.frames)
        mean = patches.mean(0)
        # The covariance has (n_mels * frames)^2 values, however many patches there are: an SVD of the patches costs
        # more.
        variances, directions = torch.linalg.eigh(torch.cov(patches.T))
        count = self.inward.out_features
        # eigh sorts upwards.
        basis = directions.flip(1)[:, :count]
        # Directions without any variance would be divided by zero.
        spread = variances.flip(0)[:count].clamp(min=1e-8).sqrt()
        # z = basis^T (x - mean) / spread, and back: together the orthogonal projection on the first components.
        self.inward.weight.copy_((basis / spread).T)
        self.inward.bias.copy_(-(mean @ basis) / spread)
        self.outward.weight.copy_(basis * spread)
        self.outward.bias.copy_(mean)


class MelVAE(nn.Module):
    """Mel frames to latents and back; latents are whitened per channel by `latent_mean` and `latent_std`.

    Flow matching starts from unit noise, so its data should have unit variance too.
    """

    latent_mean: Tensor
    latent_std: Tensor

    def __init__(self, config: AnyVAEConfig, n_mels: int) -> None:
        super().__init__()
        self.config = config
        self.encoder: nn.Module
        self.decoder: _MelDecoder | _ConvNeXtDecoder
        if isinstance(config, ConvNeXtVAEConfig):
            self.encoder, self.decoder = _ConvNeXtEncoder(config, n_mels), _ConvNeXtDecoder(config, n_mels)
            encoded = decoded = config.dim
        else:
            self.encoder, self.decoder = _MelEncoder(config, n_mels), _MelDecoder(config, n_mels)
            encoded, decoded = 2 * config.z_channels, config.z_channels
        # Latent diffusion's names. The encoder ends in twice the channels, for means and log variances.
        self.quant_conv = nn.Conv1d(encoded, 2 * config.latent_channels, 1)
        self.post_quant_conv = nn.Conv1d(config.latent_channels, decoded, 1)
        self.linear: LinearPath | None = None
        if config.linear_path:
            self.linear = LinearPath(n_mels, config.downsampling, config.latent_channels)
        self.register_buffer("latent_mean", torch.zeros(config.latent_channels))
        self.register_buffer("latent_std", torch.ones(config.latent_channels))

    def posterior(self, mel: Float[Tensor, "batch mels frames"]) -> Posterior:
        """Return the posterior of frames, whose number must be a multiple of the down-sampling."""
        mean, log_variance = self.quant_conv(self.encoder(mel)).chunk(2, dim=1)
        # The linear path adds to the mean alone: convolutions decide how certain it is.
        if self.linear is not None:
            mean = mean + self.linear.encode(mel)
        # Bounded as in latent diffusion: exp() of an early, untrained prediction must not overflow.
        return Posterior(mean=mean, log_variance=log_variance.clamp(-30.0, 20.0))

    def reconstruct(self, z: Float[Tensor, "batch channels tokens"]) -> Float[Tensor, "batch mels frames"]:
        """Return mel frames of latents that are not whitened."""
        out: Tensor = self.decoder(self.post_quant_conv(z))
        return out if self.linear is None else out + self.linear.decode(z)

    @torch.no_grad()
    def start_linear(self, mel: Float[Tensor, "batch mels frames"]) -> None:
        """Set the linear path to the principal components of `mel`, and the convolutional path to zero.

        Training then starts from the best linear code and learns only what is missing from it.
        """
        assert self.linear is not None
        self.linear.fit(mel)
        self.quant_conv.weight.zero_()
        assert self.quant_conv.bias is not None
        means, log_variances = self.quant_conv.bias.chunk(2)
        means.zero_()
        # A standard deviation of 0.08: noise that regularises without drowning the components.
        log_variances.fill_(-5.0)
        self.decoder.conv_out.weight.zero_()
        assert self.decoder.conv_out.bias is not None
        self.decoder.conv_out.bias.zero_()

    def encode(self, mel: Float[Tensor, "batch mels frames"]) -> Float[Tensor, "batch tokens channels"]:
        """Return whitened posterior means, as the audio backbone models them; frames are padded to whole tokens."""
        step = self.config.downsampling
        # Repeated: zero in a log-mel is far above silence.
        mel = nn.functional.pad(mel, (0, -mel.shape[-1] % step), mode="replicate")
        # Means, not samples: the latents of a clip are the same each time, so that trainings encode them once.
        mean = self.posterior(mel).mean.transpose(1, 2)
        return (mean - self.latent_mean) / self.latent_std

    def decode(self, latents: Float[Tensor, "batch tokens channels"]) -> Float[Tensor, "batch mels frames"]:
        """Return mel frames of whitened latents: `config.downsampling` frames per token."""
        return self.reconstruct((latents * self.latent_std + self.latent_mean).transpose(1, 2))

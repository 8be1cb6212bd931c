"""The stages of the codec, VAE and vocoder, and the whitening of the latents that later stages learn from."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from avlink.engine.codec.mel import LogMel
from avlink.engine.system import System
from avlink.training.data.clips import ClipStore
from avlink.training.objectives import multi_resolution_stft_loss
from avlink.training.stages.inputs import Validate, device_of, no_validation, sound_crops


class VAEStage:
    """1D-VAE: L1 and L2 on crops of mel frames, and a small KL term."""

    name = "vae"
    crop_frames = 64

    def __init__(self, system: System, clips: ClipStore, validate: Validate = no_validation) -> None:
        self.vae, self.clips, self.num_clips = system.vae, clips, len(clips)
        self.trained: dict[str, nn.Module] = {"vae": system.vae}
        self.frozen: tuple[nn.Module, ...] = ()
        self.device = device_of(system)
        self.mel = LogMel(system.config.mel).to(self.device)
        self.validate = validate
        if self.vae.linear is not None:
            with torch.no_grad():
                # A thousand clips, evenly spread, are enough for the start of the linear path.
                step = max(1, len(clips) // 1024)
                self.vae.start_linear(
                    torch.cat([self.mel(clips.sound([i]).to(self.device)) for i in range(0, len(clips), step)])
                )

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        mel = self.mel(sound_crops(self.clips, indices, self.mel.spec, self.crop_frames, generator).to(self.device))
        posterior = self.vae.posterior(mel)
        # In fp32 for the sums; the networks run in autocast.
        error = self.vae.reconstruct(posterior.sample(generator)).float() - mel
        l1, l2, kl = error.abs().mean(), error.square().mean(), posterior.kl()
        # Weak: latents need not be normal, as whitening scales them afterwards.
        return {"total": l1 + 2 * l2 + 1e-3 * kl, "l1": l1, "kl": kl}


@torch.no_grad()
def whiten(system: System, clips: ClipStore, sample: int = 512) -> None:
    """Set the VAE's latent mean and deviation per channel from clips of the training set.

    Channels of a linear path keep the square root of their share in the mel: loud ones stay larger than quiet ones,
    and do not drown them.
    """
    vae, mel, device = system.vae, LogMel(system.config.mel).to(device_of(system)), device_of(system)
    # encode whitens by the current values: without a reset, a second call would whiten twice.
    vae.latent_mean.zero_()
    vae.latent_std.fill_(1.0)
    step = max(1, len(clips) // sample)
    latents = torch.cat([vae.encode(mel(clips.sound([i]).to(device))) for i in range(0, len(clips), step)])
    vae.latent_mean.copy_(latents.mean(dim=(0, 1)))
    # A channel that is never used must not be blown up to noise.
    deviation = latents.std(dim=(0, 1)).clamp(min=1e-3)
    if vae.linear is not None:
        # The size of a channel in the mel: its deviation times the length of its direction.
        share = (vae.linear.outward.weight.norm(dim=0) * deviation).sqrt()
        deviation = deviation / (share / share.square().mean().sqrt())
    vae.latent_std.copy_(deviation)


class VocoderStage:
    """Vocoder: mel L1 and multi-resolution STFT on crops, half of them from the VAE's own reconstructions."""

    name = "vocoder"
    crop_frames = 96

    def __init__(self, system: System, clips: ClipStore, validate: Validate = no_validation) -> None:
        self.vae, self.vocoder, self.clips, self.num_clips = system.vae, system.vocoder, clips, len(clips)
        self.trained: dict[str, nn.Module] = {"vocoder": system.vocoder}
        self.frozen: tuple[nn.Module, ...] = ()
        self.device = device_of(system)
        self.mel = LogMel(system.config.mel).to(self.device)
        self.validate = validate

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        true = sound_crops(self.clips, indices, self.mel.spec, self.crop_frames, generator).to(self.device)
        true_mel = self.mel(true)
        half = len(indices) // 2
        with torch.no_grad():
            # Sampling decodes latents, whose mels are blurred; true mels alone would not prepare the vocoder for them.
            mel = torch.cat((self.vae.decode(self.vae.encode(true_mel[:half])).float(), true_mel[half:]))
        sound = self.vocoder(mel)
        # Against the true mel in both halves: the vocoder learns to undo the blur of the VAE.
        l1 = (self.mel(sound.float()) - true_mel).abs().mean()
        stft = multi_resolution_stft_loss(sound, true)
        return {"total": 3 * l1 + stft, "mel": l1, "stft": stft}

"""The stages of the codec, VAE and vocoder, and the whitening of the latents that later stages learn from."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from avlink.core.recipe.stages import StageTable
from avlink.engine.codec.discriminator import Discriminator, adversarial_losses, discriminator_loss
from avlink.engine.codec.mel import LogMel
from avlink.engine.codec.vocoder import Vocos
from avlink.engine.system import System
from avlink.training.data.clips import ClipStore
from avlink.training.objectives import periodicity, stft_distance, stft_magnitudes
from avlink.training.stages.inputs import Validate, common, device_of, no_validation, sound_crops

_VAE_CROP_S, _SOUND_CROP_S = 0.64, 0.96


def _crop_frames(system: System, seconds: float) -> int:
    """Return the mel frames of a crop: whole tokens."""
    spec, step = system.config.mel, system.config.vae.downsampling
    return max(1, round(seconds * spec.sample_rate / spec.hop_samples / step)) * step


class VAEStage:
    """1D-VAE: L1 and L2 on crops of mel frames, and a small KL term."""

    name = "vae"

    def __init__(self, system: System, clips: ClipStore, validate: Validate = no_validation) -> None:
        self.vae, self.clips, self.num_clips = system.vae, clips, len(clips)
        self.trained: dict[str, nn.Module] = {"vae": system.vae}
        self.frozen: tuple[nn.Module, ...] = ()
        self.device = device_of(system)
        self.mel = LogMel(system.config.mel).to(self.device)
        self.crop_frames = _crop_frames(system, _VAE_CROP_S)
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


class _SoundLoss:
    """The loss of decoded sound that vocoder and codec share: mel L1, spectra, and a penalty on buzz.

    A vocoder with noise is scored by the energy distance (Gritsenko et al. 2020): the mean distance of two of its
    sounds, which differ in noise alone, from the true one, less half their distance from each other. A plain distance
    is least for a sound without chance in it, also where the true one is noise. This one is least where both are noise.
    """

    def __init__(self, vocoder: nn.Module, mel: LogMel, table: StageTable) -> None:
        self.vocoder, self.mel, self.table = vocoder, mel, table

    def __call__(
        self, mel: Tensor, true: Tensor, true_mel: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the sound of decoded mel frames, and its losses."""
        table, spec = self.table, self.mel.spec
        sizes = table.stft_sizes
        if table.stft_drawn is not None:
            # The same on all ranks.
            order = torch.randperm(len(sizes), generator=common(generator)).tolist()
            sizes = tuple(sizes[k] for k in order[: table.stft_drawn])
        sounds = self._sounds(mel, generator)
        mels = [self.mel(sound.float()) for sound in sounds]
        # Against the true mel: the vocoder learns to undo the blur of the VAE.
        l1 = torch.stack([(made - true_mel).abs().mean() for made in mels]).mean()
        # Each spectrum once: every sound is compared with the true one, and two with each other.
        target, spectra = stft_magnitudes(true, sizes), [stft_magnitudes(sound, sizes) for sound in sounds]
        stft = torch.stack([stft_distance(spectrum, target) for spectrum in spectra]).mean()
        losses = {"mel": l1, "stft": stft}
        total = 3 * l1 + stft
        if len(sounds) > 1:
            apart = 3 * (mels[0] - mels[1]).abs().mean() + stft_distance(*spectra)
            losses["apart"] = apart
            total = total - 0.5 * apart
        if table.periodicity:
            ours, theirs = (periodicity(x, spec.sample_rate, spec.hop_samples) for x in (sounds[0], true))
            losses["periodicity"] = (ours - theirs).square().mean()
            total = total + table.periodicity * losses["periodicity"]
        return sounds[0], {"total": total, **losses}

    def _sounds(self, mel: Tensor, generator: torch.Generator) -> list[Tensor]:
        if not (isinstance(self.vocoder, Vocos) and self.vocoder.config.noise):
            return [self.vocoder(mel)]
        samples = mel.shape[-1] * self.mel.spec.hop_samples
        noises = torch.randn(2, mel.shape[0], samples, generator=generator).to(mel.device)
        return self.vocoder.sounds(mel, noises)


class VocoderStage:
    """Vocoder: mel L1 and multi-resolution STFT on crops, half of them from the VAE's own reconstructions."""

    name = "vocoder"

    def __init__(self, system: System, clips: ClipStore, table: StageTable, validate: Validate = no_validation) -> None:
        self.vae, self.vocoder, self.clips, self.num_clips = system.vae, system.vocoder, clips, len(clips)
        self.trained: dict[str, nn.Module] = {"vocoder": system.vocoder}
        self.frozen: tuple[nn.Module, ...] = ()
        self.device = device_of(system)
        self.mel = LogMel(system.config.mel).to(self.device)
        self.crop_frames = _crop_frames(system, _SOUND_CROP_S)
        self.sound_loss = _SoundLoss(self.vocoder, self.mel, table)
        self.validate = validate

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        true = sound_crops(self.clips, indices, self.mel.spec, self.crop_frames, generator).to(self.device)
        true_mel = self.mel(true)
        half = len(indices) // 2
        with torch.no_grad():
            # Sampling decodes latents, whose mels are blurred; true mels alone would not prepare the vocoder for them.
            mel = torch.cat((self.vae.decode(self.vae.encode(true_mel[:half])).float(), true_mel[half:]))
        return self.sound_loss(mel, true, true_mel, generator)[1]


class CodecStage:
    """The VAE's decoder and the vocoder together, against discriminators; the encoder, and so the latents, stay."""

    name = "codec"

    def __init__(self, system: System, clips: ClipStore, table: StageTable, validate: Validate = no_validation) -> None:
        self.vae, self.vocoder, self.clips, self.num_clips = system.vae, system.vocoder, clips, len(clips)
        self.trained: dict[str, nn.Module] = {"vae": system.vae, "vocoder": system.vocoder}
        self.frozen: tuple[nn.Module, ...] = (system.vae.encoder, system.vae.quant_conv)
        if system.vae.linear is not None:
            self.frozen += (system.vae.linear.inward,)
        self.device = device_of(system)
        self.mel = LogMel(system.config.mel).to(self.device)
        self.weight = table.adversarial
        if self.weight:
            self.trained["discriminator"] = Discriminator().to(self.device)
        self.crop_frames = _crop_frames(system, _SOUND_CROP_S)
        self.sound_loss = _SoundLoss(self.vocoder, self.mel, table)
        self.validate = validate

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        true = sound_crops(self.clips, indices, self.mel.spec, self.crop_frames, generator).to(self.device)
        true_mel = self.mel(true)
        with torch.no_grad():
            latents = self.vae.encode(true_mel)
        mel = self.vae.decode(latents).float()
        sound, losses = self.sound_loss(mel, true, true_mel, generator)
        # The mel between decoder and vocoder stays one.
        losses["total"] = losses["total"] + (mel - true_mel).abs().mean()
        return losses | (self._judged(sound, true, losses["total"]) if self.weight else {})

    def _judged(self, sound: Tensor, true: Tensor, total: Tensor) -> dict[str, Tensor]:
        judge = self.trained["discriminator"]
        of_true = judge(true)
        discriminator = discriminator_loss(of_true, judge(sound.detach()))
        # One backward pass for both sides: in the generator's loss the discriminators' weights are constants.
        constants = {name: value.detach() for name, value in judge.named_parameters()}
        fooled, features = adversarial_losses(of_true, functional_call(judge, constants, (sound,)))
        # Adam's steps do not depend on the size of a loss; a small one leaves the clipped norm to the generator.
        total = total + self.weight * (fooled + 2 * features) + 0.1 * discriminator
        return {"total": total, "discriminator": discriminator, "features": features}

"""Public vocoders: HiFi-GAN in several formats, BigVGAN, Vocos."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from torch import Tensor

from avlink.core.codec_config import BigVGANConfig, HiFiGANConfig, MelSpec, VocosConfig
from avlink.core.errors import BundleError
from avlink.engine.codec.vocoder import build_vocoder
from avlink.engine.public.checkpoint import Checkpoint
from avlink.engine.public.component import PublicComponent

VOCOS_MEL = MelSpec(
    sample_rate=24000,
    hop_samples=256,
    n_mels=100,
    fmax_hz=12000.0,
    floor=1e-7,
    scaled=False,
    filters="htk",
    centered=True,
)
"""Vocos' 24 kHz model: torchaudio's defaults, of magnitudes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """Facts about a published model that its weights do not contain: rates, spectrogram, licence."""

    title: str
    licence: str
    mel: MelSpec
    rates: tuple[int, ...]


_HIFIGAN_22K = MelSpec(sample_rate=22050, hop_samples=256, n_mels=80, scaled=False, power_floor=1e-9)
_KNOWN: dict[tuple[str, tuple[int, ...], int], _Known] = {
    # (kind, kernels of the up-sampling layers, mel bands)
    ("hifigan", (16, 16, 8, 4, 4), 64): _Known(
        title="AudioLDM's HiFi-GAN",
        licence="CC-BY-NC-SA-4.0",
        mel=MelSpec(scaled=False, power_floor=1e-9),
        rates=(5, 4, 2, 2, 2),
    ),
    ("hifigan", (16, 16, 4, 4), 80): _Known(title="HiFi-GAN", licence="MIT", mel=_HIFIGAN_22K, rates=(8, 8, 2, 2)),
    ("hifigan", (16, 16, 8), 80): _Known(title="HiFi-GAN V3", licence="MIT", mel=_HIFIGAN_22K, rates=(8, 8, 4)),
    # NVIDIA's networks of this shape come with a configuration; without one it is the model for 16 kHz.
    ("bigvgan", (8, 8, 4, 4, 4, 4), 80): _Known(
        title="Make-An-Audio 2's BigVGAN",
        licence="MIT",
        mel=MelSpec(hop_samples=256, n_mels=80, scaled=False, log="decimal", power_floor=1e-9),
        rates=(4, 4, 2, 2, 2, 2),
    ),
}


def is_vocoder(tensors: Mapping[str, Tensor]) -> bool:
    """Return True for weights of HiFi-GAN, BigVGAN or Vocos."""
    return "backbone.embed.weight" in tensors or (
        "conv_pre.weight" in tensors and any(key.startswith(("ups.", "upsampler.")) for key in tensors)
    )


def read_vocoder(checkpoint: Checkpoint, tensors: Mapping[str, Tensor] | None = None) -> PublicComponent:
    """Return the vocoder of a checkpoint; `tensors` are its weights if they are part of another model's file.

    Raises BundleError for networks that AVLink cannot build, or whose rates are unknown.
    """
    found = dict(checkpoint.tensors if tensors is None else tensors)
    settings = checkpoint.settings if tensors is None else {}
    if "backbone.embed.weight" in found:
        return _vocos(checkpoint, found)
    # transformers uses other names, and stores the statistics of a normalisation that is switched off.
    found = {re.sub(r"^upsampler\.", "ups.", key): value for key, value in found.items()}
    if found.keys() & {"mean", "scale"}:
        if settings.get("normalize_before"):
            raise BundleError(f"{checkpoint.path} normalises spectrograms by its own statistics, which AVLink does not")
        found = {key: value for key, value in found.items() if key not in ("mean", "scale")}
    # BigVGAN has a list of layers per stage, HiFi-GAN one layer.
    big = any(re.match(r"ups\.\d+\.\d+\.", key) for key in found)
    try:
        return (_bigvgan if big else _hifigan)(checkpoint, found, settings)
    except (ValidationError, ValueError, TypeError, KeyError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(
            f"the vocoder in {checkpoint.path} is built in a way that AVLink does not know: "
            f"{' '.join(str(error).split())[:160]}"
        ) from None


def _vocos(checkpoint: Checkpoint, found: Mapping[str, Tensor]) -> PublicComponent:
    n_mels = found["backbone.embed.weight"].shape[1]
    # n_fft / 2 + 1 magnitudes and as many phases.
    n_fft = found["head.out.weight"].shape[0] - 2
    if (n_mels, n_fft) != (VOCOS_MEL.n_mels, VOCOS_MEL.n_fft):
        raise BundleError(
            f"{checkpoint.path} holds a Vocos of {n_mels} bands and windows of {n_fft} samples; AVLink knows the "
            f"spectrogram of its 24 kHz model alone ({VOCOS_MEL.n_mels}, {VOCOS_MEL.n_fft})"
        )
    hidden, dim = found["backbone.convnext.0.pwconv1.weight"].shape
    config = VocosConfig(dim=dim, layers=1 + max(_layers(found, r"backbone\.convnext\.(\d+)")), mlp_ratio=hidden // dim)
    renamed = {
        re.sub(r"^(backbone|head)\.", "", key): value
        for key, value in found.items()
        if not key.startswith("feature_extractor.") and key != "head.istft.window"
    }
    return PublicComponent(
        name="vocoder",
        title="Vocos",
        licence="MIT",
        mel=VOCOS_MEL,
        config=config,
        module=build_vocoder(config, VOCOS_MEL),
        source=checkpoint.path,
    ).loaded(renamed)


def _hifigan(checkpoint: Checkpoint, found: Mapping[str, Tensor], settings: Mapping[str, Any]) -> PublicComponent:
    # The two types of residual blocks differ in the names of their convolutions.
    second = "resblocks.0.convs.0.weight" in found
    kernels = tuple(found[f"ups.{stage}.weight"].shape[-1] for stage in range(_stages(found)))
    rates, dilations, known = _known_facts(checkpoint, "hifigan", kernels, found, settings)
    # The list of residual blocks is flat: all kernels of the first stage, then those of the next.
    kinds = len(set(_layers(found, r"resblocks\.(\d+)"))) // len(kernels)
    first = "convs" if second else "convs1"
    config = HiFiGANConfig(
        rates=rates,
        kernels=kernels,
        channels=found["conv_pre.weight"].shape[0],
        resblock=2 if second else 1,
        resblock_kernels=tuple(found[f"resblocks.{kind}.{first}.0.weight"].shape[-1] for kind in range(kinds)),
        dilations=dilations or (((1, 2), (2, 6), (3, 12)) if second else ((1, 3, 5),) * kinds),
    )
    return _part(checkpoint, config, known, found)


def _bigvgan(checkpoint: Checkpoint, found: Mapping[str, Tensor], settings: Mapping[str, Any]) -> PublicComponent:
    if settings and not settings.get("snake_logscale", True):
        raise BundleError(f"{checkpoint.path} keeps its activations in linear numbers; AVLink reads logarithms alone")
    if not any(key.endswith("convs2.0.weight") for key in found):
        raise BundleError(f"{checkpoint.path} is a BigVGAN of the second kind of blocks; AVLink builds the first alone")
    kernels = tuple(found[f"ups.{stage}.0.weight"].shape[-1] for stage in range(_stages(found)))
    rates, dilations, known = _known_facts(checkpoint, "bigvgan", kernels, found, settings)
    kinds = len(set(_layers(found, r"resblocks\.(\d+)"))) // len(kernels)
    config = BigVGANConfig(
        rates=rates,
        kernels=kernels,
        channels=found["conv_pre.weight"].shape[0],
        resblock_kernels=tuple(found[f"resblocks.{kind}.convs1.0.weight"].shape[-1] for kind in range(kinds)),
        dilations=dilations or ((1, 3, 5),) * kinds,
        activation="snakebeta" if "activation_post.act.beta" in found else "snake",
        tanh=settings.get("use_tanh_at_final", True),
        final_bias="conv_post.bias" in found,
    )
    return _part(checkpoint, config, known, found)


def _known_facts(
    checkpoint: Checkpoint,
    kind: str,
    kernels: tuple[int, ...],
    found: Mapping[str, Tensor],
    settings: Mapping[str, Any],
) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...], _Known]:
    """Return rates, dilations (empty: the usual ones) and facts, from the configuration or the known models."""
    n_mels = found["conv_pre.weight"].shape[1]
    known = _KNOWN.get((kind, kernels, n_mels))
    if "upsample_rates" not in settings:
        if known is None:
            raise BundleError(
                f"the rates and the spectrogram of the vocoder in {checkpoint.path} are told nowhere; "
                "give its JSON configuration with --config"
            )
        return known.rates, (), known
    mel = _mel(settings, known, n_mels)
    title, licence = ("BigVGAN", "MIT") if kind == "bigvgan" else ("HiFi-GAN", "unknown: see where the file came from")
    if known is not None and known.mel == mel:
        title, licence = known.title, known.licence
    dilations = tuple(tuple(row) for row in settings.get("resblock_dilation_sizes", ()))
    rates = tuple(settings["upsample_rates"])
    return rates, dilations, _Known(title=title, licence=licence, mel=mel, rates=rates)


def _mel(settings: Mapping[str, Any], known: _Known | None, n_mels: int) -> MelSpec:
    """Return the spectrogram of a configuration of HiFi-GAN or BigVGAN; transformers' has only the sample rate."""
    rate = int(settings["sampling_rate"])
    if "hop_size" not in settings and known is not None and known.mel.sample_rate == rate:
        return known.mel
    # A generator makes as many samples of a frame as its rates multiply to.
    hop = int(settings.get("hop_size", math.prod(settings["upsample_rates"])))
    return MelSpec(
        sample_rate=rate,
        n_fft=int(settings.get("n_fft", 1024)),
        hop_samples=hop,
        n_mels=n_mels,
        fmin_hz=float(settings.get("fmin") or 0.0),
        fmax_hz=float(settings.get("fmax") or rate / 2),
        scaled=False,
        power_floor=1e-9,
    )


def _part(
    checkpoint: Checkpoint, config: HiFiGANConfig | BigVGANConfig, known: _Known, found: Mapping[str, Tensor]
) -> PublicComponent:
    return PublicComponent(
        name="vocoder",
        title=known.title,
        licence=known.licence,
        mel=known.mel,
        config=config,
        module=build_vocoder(config, known.mel),
        source=checkpoint.path,
    ).loaded(found)


def _stages(found: Mapping[str, Tensor]) -> int:
    return 1 + max(_layers(found, r"ups\.(\d+)"))


def _layers(found: Mapping[str, Tensor], pattern: str) -> list[int]:
    return [int(match[1]) for key in found if (match := re.match(pattern, key))]

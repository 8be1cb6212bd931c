"""Everything that one bundle holds, as named components, built from one `AVLinkConfig`."""

from __future__ import annotations

from typing import Literal

from torch import nn

from avlink.core.architecture import AVLinkConfig
from avlink.core.errors import InputError
from avlink.engine.avlink import AVLink, Direction, Fusion
from avlink.engine.codec.codec import AudioCodec
from avlink.engine.codec.vae import MelVAE
from avlink.engine.codec.vocoder import build_vocoder
from avlink.engine.nn.dit import AudioDiT, VideoDiT
from avlink.engine.nn.motion import MotionStem
from avlink.engine.text.byte_encoder import ByteEncoder
from avlink.engine.text.encoder import TextEncoder

COMPONENTS = (
    "vae",
    "vocoder",
    "audio_text",
    "audio",
    "video_text",
    "video",
    "motion",
    "fusion_v2a",
    "fusion_a2v",
    "fusion",
)


class System(nn.Module):
    """The engine's parts under the names that bundles and recipes use (`COMPONENTS`).

    `motion` is None where the configuration has no stem. Either there is a fusion for each direction, or the one
    `fusion` that is shared by all; the others are None. The text encoders are None where they are external: then
    whoever builds the system sets `external_text`, which is no component and never trained.
    """

    external_text: TextEncoder | None = None

    def __init__(self, config: AVLinkConfig) -> None:
        super().__init__()
        self.config = config
        text = config.text.dim
        own_text = config.text.kind == "bytes"
        self.vae = MelVAE(config.vae, config.mel.n_mels)
        self.vocoder = build_vocoder(config.vocoder, config.mel)
        self.audio_text = ByteEncoder(config.text) if own_text else None
        self.audio = AudioDiT(config.audio, config.vae.latent_channels, text)
        self.video_text = ByteEncoder(config.text) if own_text else None
        self.video = VideoDiT(config.video, config.picture, text)
        self.motion = None if config.motion is None else MotionStem(config.motion)
        shared = config.fusion.shared
        self.fusion_v2a = None if shared else Fusion(config, "audio")
        self.fusion_a2v = None if shared else Fusion(config, "video")
        self.fusion = Fusion(config, "both") if shared else None

    def component(self, name: str) -> nn.Module | None:
        """The part of that name, or None where this system has none."""
        part: nn.Module | None = getattr(self, name)
        return part

    def components(self) -> dict[str, nn.Module]:
        """All parts that there are, in a fixed order."""
        named = ((name, self.component(name)) for name in COMPONENTS)
        return {name: part for name, part in named if part is not None}

    def text_encoder(self, side: Literal["audio", "video"]) -> TextEncoder:
        """What encodes the prompts of one backbone."""
        own = self.audio_text if side == "audio" else self.video_text
        encoder = self.external_text if own is None else own
        if encoder is None:
            raise InputError(
                "this model reads its prompts through T5, which was not given to it; "
                "put a T5 into its bundle by `avlink models import`"
            )
        return encoder

    def linked(self, direction: Direction) -> AVLink:
        """Both backbones joined by what fuses them in that direction; the parts stay shared.

        Raises InputError where that is both and the directions have parameters of their own.
        """
        fusion = self.fusion or {"audio": self.fusion_v2a, "video": self.fusion_a2v}.get(direction)
        if fusion is None:
            raise InputError("only a model with one shared fusion makes sound and pictures at once")
        return AVLink(self.config, audio=self.audio, video=self.video, fusion=fusion)

    @property
    def codec(self) -> AudioCodec:
        """Sound to latents and back through this system's VAE and vocoder."""
        return AudioCodec(self.config, vae=self.vae, vocoder=self.vocoder)


def parameter_counts(config: AVLinkConfig) -> dict[str, int]:
    """Parameters per component, counted on the meta device: no weight is allocated."""
    import torch

    with torch.device("meta"):
        parts = System(config).components()
    return {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}

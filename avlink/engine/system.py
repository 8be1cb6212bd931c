"""All modules of one model, as the named components of a bundle, built from one `AVLinkConfig`."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from avlink.core.architecture import COMPONENTS, AVLinkConfig
from avlink.core.errors import InputError
from avlink.engine.avlink import AVLink, Direction
from avlink.engine.codec.codec import AudioCodec
from avlink.engine.codec.vae import MelVAE
from avlink.engine.codec.vocoder import build_vocoder
from avlink.engine.nn.aligner import Aligner
from avlink.engine.nn.controller import TemporalController
from avlink.engine.nn.dit import AudioDiT, VideoDiT
from avlink.engine.nn.flow_spotter import make_spotter
from avlink.engine.nn.motion import MotionStem
from avlink.engine.nn.readout import MotionReadout, activations
from avlink.engine.text.byte_encoder import ByteEncoder
from avlink.engine.text.encoder import TextEncoder
from avlink.engine.variants import link_backbones, make_fusion


class System(nn.Module):
    """The modules of a model under the names that bundles and recipes use (`COMPONENTS`).

    `motion`, `controller`, `spotter`, `readout` and `aligner` are None if the configuration has none. There is either a
    fusion for each direction or one `fusion` for all; the others are None. `fusion_hits` is the V2A fusion of sound
    that follows hits, or None if that has none of its own. The text encoders are None if the encoder is external:
    `external_text` must then be set, which is no component and never trained.
    """

    external_text: TextEncoder | None = None

    def __init__(self, config: AVLinkConfig) -> None:
        super().__init__()
        self.config = config
        # One width for both encoders: an external T5 serves both backbones.
        text = config.text.dim
        own_text = config.text.kind == "bytes"
        self.vae = MelVAE(config.vae, config.mel.n_mels)
        self.vocoder = build_vocoder(config.vocoder, config.mel)
        self.audio_text = ByteEncoder(config.text) if own_text else None
        self.audio = AudioDiT(config.audio, config.vae.latent_channels, text)
        # Few things are seen in a few pixels: pictures do without a table of words.
        self.video_text = ByteEncoder(config.text.model_copy(update={"words": 0})) if own_text else None
        self.video = VideoDiT(config.video, config.picture, text)
        self.motion = None if config.motion is None else MotionStem(config.motion)
        self.controller = (
            None
            if config.controller is None
            else TemporalController(config.controller, config.audio.dim, config.fusion.blocks)
        )
        # Built in the order of `COMPONENTS`: with the same seed a model starts from the same weights.
        shared = config.fusion.shared
        self.fusion_v2a = None if shared else make_fusion(config, "audio")
        self.fusion_a2v = None if shared else make_fusion(config, "video")
        self.fusion = make_fusion(config, "both") if shared else None
        self.fusion_hits = make_fusion(config, "audio") if config.fusion_for_hits else None
        self.spotter = None if config.spotter is None else make_spotter(config.spotter)
        self.readout = None if config.readout is None else MotionReadout(config)
        self.aligner = None if config.aligner is None else Aligner(config)

    def component(self, name: str) -> nn.Module | None:
        """Return the component of that name, or None if this model has none."""
        part: nn.Module | None = getattr(self, name)
        return part

    def components(self) -> dict[str, nn.Module]:
        """Return the components that this model has, in the order of `COMPONENTS`."""
        named = ((name, self.component(name)) for name in COMPONENTS)
        return {name: part for name, part in named if part is not None}

    def text_encoder(self, side: Literal["audio", "video"]) -> TextEncoder:
        """Return the encoder of one backbone's prompts.

        Raises InputError if it is external and was not set.
        """
        own = self.audio_text if side == "audio" else self.video_text
        encoder = self.external_text if own is None else own
        if encoder is None:
            raise InputError(
                "this model reads its prompts through T5, which was not given to it; "
                "put a T5 into its bundle by `avlink models import`"
            )
        return encoder

    def motion_tokens(
        self, v_t: Float[Tensor, "batch frames 3 height width"], t_v: Float[Tensor, " batch"]
    ) -> Float[Tensor, "batch motion_frames dim"]:
        """Return the motion tokens that the readout tells from the video backbone, without a prompt."""
        assert self.readout is not None
        text = self.text_encoder("video").encode([""] * len(v_t))
        tokens: Tensor = self.readout(activations(self.video, v_t, t_v, text, self.config.fusion.blocks))
        return tokens

    def linked(self, direction: Direction, *, with_hits: bool = False) -> AVLink:
        """Return G_V2A ("audio"), G_A2V ("video") or the joint generator ("both"), on the modules of this system.

        If `with_hits`, return the G_V2A that follows hits; it is another one only where hits have their own fusion.

        Raises InputError for "both" if each direction has parameters of its own.
        """
        fusion = self.fusion or {"audio": self.fusion_v2a, "video": self.fusion_a2v}.get(direction)
        controller = self.controller
        if self.fusion_hits is not None:
            fusion, controller = (self.fusion_hits, controller) if with_hits else (fusion, None)
        if fusion is None:
            raise InputError("only a model with one shared fusion makes sound and pictures at once")
        return link_backbones(self.config, audio=self.audio, video=self.video, fusion=fusion, controller=controller)

    @property
    def codec(self) -> AudioCodec:
        """The audio codec on this system's VAE and vocoder."""
        return AudioCodec(self.config, vae=self.vae, vocoder=self.vocoder)


def parameter_counts(config: AVLinkConfig) -> dict[str, int]:
    """Return the number of parameters of each component, counted on the meta device: no weight is allocated."""
    import torch

    # At the paper's size the weights would be 8 GB.
    with torch.device("meta"):
        parts = System(config).components()
    return {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}

"""The network that spots: the spotter or the motion stem of a bundle, loaded alone, on clips of any length."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray

from avlink.core.errors import BundleError
from avlink.core.motion_config import MAP_PICTURE, MotionConfig, SpotterConfig
from avlink.core.values import FrameSource, PictureSpec
from avlink.engine.bundle import Bundle, load_into
from avlink.engine.nn.flow_spotter import FlowSpotter
from avlink.engine.nn.motion import MotionStem
from avlink.engine.pixels import to_pixels
from avlink.engine.windows import blend, plan_windows

_FLOW_WINDOW_S = 6.0

_OVERLAP_S = 2.0
"""Windows overlap by more than the stem sees around a frame, so that a blend of both is right on each side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnsetReading:
    """The network's view of a clip.

    `logits` (bins,) of an onset, `rate` bins per second, of which bin b is centred on (b + 0.5) / rate seconds;
    `classes` (frames, classes) are probabilities, for one or two bins each. `tokens` (frames, dim) are what both are
    read from.
    """

    logits: NDArray[np.float32]
    classes: NDArray[np.float32]
    tokens: NDArray[np.float32]
    rate: Fraction


class OnsetNet:
    """Reads pictures at `picture`. `names` are the classes that it tells apart at an onset."""

    def __init__(self, stem: MotionStem | FlowSpotter, *, picture: PictureSpec, window_s: float, device: str) -> None:
        self.picture, self.names = picture, stem.config.classes
        self.stem, self.window_s, self._device = stem, window_s, device

    @torch.no_grad()
    def read(self, frames: FrameSource) -> OnsetReading:
        """Return the onset logits and class probabilities of `frames`, read window by window."""
        fps = int(self.picture.rate)
        windows = plan_windows(frames.num_frames / fps, self.window_s, _OVERLAP_S)
        starts = [window.start_s * fps for window in windows]
        logits, classes, tokens = [], [], []
        for start, window in zip(starts, windows, strict=True):
            stop = min(frames.num_frames, start + max(1, round(window.duration_s * fps)))
            pixels = torch.from_numpy(np.array(frames.read(start, stop))).to(self._device)
            motion = self.stem(to_pixels(pixels[None]))
            logits.append(motion.onset_logits[0].float().cpu())
            classes.append(motion.class_logits[0].float().softmax(-1).cpu())
            tokens.append(motion.tokens[0].float().cpu())
        per_frame = self.stem.onsets_per_frame
        bins = [start * per_frame for start in starts]
        return OnsetReading(
            logits=blend(logits, bins, frames.num_frames * per_frame).numpy(),
            classes=blend(classes, starts, frames.num_frames).numpy(),
            tokens=blend(tokens, starts, frames.num_frames).numpy(),
            rate=self.picture.rate * per_frame,
        )


def load_onset_net(bundle: Bundle, device: str) -> OnsetNet:
    """Return the motion stem of a bundle, or the one that was trained to spot; no other weights are read.

    Raises BundleError for a bundle that has neither, and for one that is incomplete or altered.
    """
    config, name = bundle.config, "motion"
    chosen: MotionConfig | None = config.motion
    if isinstance(config.spotter, SpotterConfig):
        name, chosen = "spotter", config.spotter
    if chosen is None or name not in bundle.components:
        raise BundleError(_lacks(bundle, "neither a spotter nor a motion stem"))
    stem = MotionStem(chosen).requires_grad_(False).eval()
    load_into({name: stem}, bundle)
    size = chosen if isinstance(chosen, SpotterConfig) else config.picture
    return OnsetNet(
        stem.to(device),
        picture=PictureSpec(rate=Fraction(chosen.fps), width=size.width, height=size.height),
        window_s=config.picture.frames / config.picture.fps,
        device=device,
    )


def load_flow_net(bundle: Bundle, device: str) -> OnsetNet:
    """Return the flow spotter of a bundle; no other weights are read.

    Raises BundleError for a bundle without one, and for one that is incomplete or altered.
    """
    config = bundle.config.flow_spotter
    if config is None or "spotter" not in bundle.components:
        raise BundleError(_lacks(bundle, "no flow spotter"))
    net = FlowSpotter(config).requires_grad_(False).eval()
    load_into({"spotter": net}, bundle)
    return OnsetNet(net.to(device), picture=MAP_PICTURE, window_s=_FLOW_WINDOW_S, device=device)


def _lacks(bundle: Bundle, parts: str) -> str:
    return (
        f"the model {bundle.folder} can spot nothing: it has {parts}; name another model, or the spotter motion-peaks, "
        "which needs none"
    )

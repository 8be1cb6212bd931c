"""The backend `mmaudio`: what a recipe may say of it. Imports neither torch nor MMAudio until it loads weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from avlink import Options, digest, hookimpl
from avlink.hooks import Backend
from avlink_mmaudio.package import installed_package
from avlink_mmaudio.weights import Variant, find_weights

if TYPE_CHECKING:
    from avlink import SoundGenerator

LICENCE = "MMAudio's weights are CC-BY-NC-4.0, not for commercial use, and its CLIP is under Apple's own terms"

_CODE_VERSION = 1
"""Raised when the same weights and options would sound different."""


class MMAudioOptions(Options):
    """Which MMAudio, where its weights are, and how it is sampled."""

    weights: str = ""
    """The folder of its weights, laid out as MMAudio's own: `weights` and `ext_weights`, or all files in one folder."""
    hub: str = ""
    """The cache folder of Hugging Face's library, with CLIP and the vocoder in it; left out: where that keeps it."""
    variant: Variant = "large_44k_v2"
    published: bool = True
    """Take only files that MMAudio published, told by their digests; false for weights of your own."""
    steps: int = Field(default=25, ge=1, le=1000)
    """Euler steps."""
    guidance: float = Field(default=4.5, ge=0, le=50)
    """Classifier-free guidance; below 1 there is none, and negative prompts say nothing."""
    clip_picture: bool = True
    """Whether CLIP looks at the picture too; without, the words alone say what is heard, and the picture when."""
    window_s: float = Field(default=8.0, ge=2, le=30)
    """Clips up to this length are made at their own, longer ones in windows of it. MMAudio was trained at 8."""
    overlap_s: float = Field(default=1.0, ge=0.04, le=4)
    """Windows overlap by this at least, and cross over this long with equal power."""
    precision: Literal["bfloat16", "float32"] = "bfloat16"

    @model_validator(mode="after")
    def _windows_move_on(self) -> MMAudioOptions:
        if 3 * self.overlap_s > self.window_s:
            raise ValueError(f"overlap_s = {self.overlap_s} is more than a third of window_s = {self.window_s}")
        return self


def fingerprint(options: MMAudioOptions) -> str:
    """Package, contents of the weights, and how they are sampled. Raises InputError for what is missing."""
    package = installed_package()
    weights = find_weights(options.weights, options.hub, options.variant, published=options.published)
    chosen = options.model_dump(mode="json", exclude={"weights", "hub", "published"})
    return digest([_CODE_VERSION, package, weights.digests(), chosen])


def load(options: MMAudioOptions, device: str) -> SoundGenerator:
    """The generator. Raises InputError for what is missing, BundleError for weights that do not fit."""
    from avlink_mmaudio.generator import MMAudioGenerator
    from avlink_mmaudio.network import load_network

    installed_package()
    weights = find_weights(options.weights, options.hub, options.variant, published=options.published)
    return MMAudioGenerator(load_network(weights, options.precision, device), options)


@hookimpl
def avlink_backends() -> list[Backend]:
    """Offer `mmaudio`."""
    return [
        Backend(
            name="mmaudio",
            direction="v2a",
            options=MMAudioOptions,
            fingerprint=fingerprint,
            load=load,
            licence=LICENCE,
        )
    ]

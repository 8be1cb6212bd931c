"""The options of the backend `mmaudio`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from avlink import Options
from avlink_mmaudio.weights import Variant


class MMAudioOptions(Options):
    """The variant of MMAudio, its weights, and its sampling."""

    weights: str = ""
    """The folder of its weights, laid out as MMAudio's own: `weights` and `ext_weights`, or all files in one folder."""
    hub: str = ""
    """The cache folder of Hugging Face's library, with CLIP and the vocoder in it. Left out: its default."""
    variant: Variant = "large_44k_v2"
    published: bool = True
    """Accept only files that MMAudio published, by their digests; false for weights of your own."""
    steps: int = Field(default=25, ge=1, le=1000)
    """Euler steps."""
    guidance: float = Field(default=4.5, ge=0, le=50)
    """Classifier-free guidance; below 1 there is none, and negative prompts say nothing."""
    clip_picture: bool = True
    """Give CLIP the picture as well; without, the prompt alone says what is heard, and the picture when."""
    window_s: float = Field(default=8.0, ge=2, le=30)
    """Clips up to this length are generated whole, longer ones in windows of it. MMAudio was trained at 8."""
    overlap_s: float = Field(default=1.0, ge=0.04, le=4)
    """The least overlap of windows, and the length of their equal-power crossfade."""
    precision: Literal["bfloat16", "float32"] = "bfloat16"

    @model_validator(mode="after")
    def _windows_move_on(self) -> MMAudioOptions:
        if 3 * self.overlap_s > self.window_s:
            raise ValueError(f"overlap_s = {self.overlap_s} is more than a third of window_s = {self.window_s}")
        return self

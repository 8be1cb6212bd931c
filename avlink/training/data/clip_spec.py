"""The shape of the clips that one model is trained on, and the names of the columns that hold them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from avlink.core.architecture import AVLinkConfig
from avlink.core.clock import to_index
from avlink.core.hashing import digest
from avlink.core.motion_config import MAP_PICTURE
from avlink.core.recipe import TrainRecipe
from avlink.core.recipe.data import Media, PhysicsData


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSpec:
    """Rates per second, sizes in pixels, lengths in frames and samples; `media` is the part that clips have.

    A column's file is named by the values that it depends on: another picture size makes the pictures anew, and not
    the sound.
    """

    fps: int
    width: int
    height: int
    window_s: Fraction
    sample_rate: int
    samples: int
    media: Media = "both"

    @property
    def columns(self) -> tuple[str, ...]:
        """The files of a complete shard."""
        named = {"pictures": self.pictures_file, "sound": self.sound_file}
        return tuple(file for medium, file in named.items() if self.media in ("both", medium))

    @property
    def frames(self) -> int:
        """The number of pictures of a clip."""
        return max(1, to_index(self.window_s, self.fps))

    @property
    def pictures_file(self) -> str:
        """The name of the pictures' column."""
        # The 1 is the version of the decoder: raise it to decode everything anew.
        return f"frames-{digest([1, self.fps, self.width, self.height, self.frames])[:8]}.npy"

    @property
    def sound_file(self) -> str:
        """The name of the sound's column."""
        return f"sound-{digest([1, self.sample_rate, self.samples])[:8]}.npy"

    def describe_pictures(self) -> str:
        """Return its pictures in words."""
        return f"{self.frames} pictures of {self.width}x{self.height} at {self.fps} a second"

    def describe_sound(self) -> str:
        """Return its sound in words."""
        return f"{self.samples} samples at {self.sample_rate} Hz"


def clip_spec_of(config: AVLinkConfig, media: Media = "both") -> ClipSpec:
    """Return the spec of a model's training clips: pictures at the rate of its motion stem, if it has one."""
    picture = config.picture
    return ClipSpec(
        fps=picture.fps if config.motion is None else config.motion.fps,
        width=picture.width,
        height=picture.height,
        window_s=Fraction(picture.frames, picture.fps),
        sample_rate=config.mel.sample_rate,
        samples=config.window_tokens * config.mel.hop_samples * config.vae.downsampling,
        media=media,
    )


def reads_maps(recipe: TrainRecipe) -> bool:
    """Return True for a recipe of the stage `spotter`, which reads motion maps instead of pictures."""
    return "spotter" in recipe.stages


def pictures_read_by(recipe: TrainRecipe) -> tuple[int, int, int]:
    """Return width, height and rate of the pictures that a recipe's stages read: the model's, or those of maps."""
    spec = clip_spec_of(recipe.model)
    if reads_maps(recipe):
        return MAP_PICTURE.width, MAP_PICTURE.height, int(MAP_PICTURE.rate)
    return spec.width, spec.height, spec.fps


def rendered_pictures(recipe: TrainRecipe, data: PhysicsData) -> tuple[int, int, int]:
    """Return width, height and rate of the pictures that the physics foundry makes: those of `data`, else as read."""
    width, height, fps = pictures_read_by(recipe)
    return data.width or width, data.height or height, data.fps or fps

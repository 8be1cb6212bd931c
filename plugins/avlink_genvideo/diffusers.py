"""A wrapper around a video pipeline of diffusers, or one with the same interface, that adds sound to its videos.

    pipe = WithSound(WanPipeline.from_pretrained(...), fps=16)
    result = pipe(prompt="a dog runs through dry leaves", num_frames=81)
    result.save("dog.mp4")                 # result.frames, result.audio: for export_to_video and others

Nothing of diffusers is imported: the pipeline is only called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avlink import MediaError
from avlink_genvideo.frames import as_frames
from avlink_genvideo.library import Finisher, get_finisher

if TYPE_CHECKING:
    from avlink import Waveform


@dataclass(frozen=True, kw_only=True)
class VideosWithSound:
    """The frames that a pipeline returned, unchanged, and one sound for each of its videos."""

    frames: Any
    audio: tuple[Waveform, ...]
    output: Any
    """The pipeline's complete output."""
    fps: Fraction | float
    prompts: tuple[str, ...]
    seed: int
    finisher: Finisher

    def save(self, path: str | Path, index: int = 0) -> Path:
        """Write video number `index` of the batch with its sound, and return the path; see `Finisher.write`."""
        video = videos_of(self.frames)[index]
        return self.finisher.write(
            path, video, self.fps, self.prompts[index], seed=self.seed + index, sound=self.audio[index]
        )


class WithSound:
    """A pipeline whose videos get sound, called with the arguments of the pipeline."""

    def __init__(self, pipeline: Callable[..., Any], *, fps: float | Fraction, **options: Any) -> None:
        """`fps` is the rate at which the frames are to be played; `options` are those of `Finisher`."""
        self.pipeline, self.fps = pipeline, fps
        self.finisher = get_finisher(**options)

    def __call__(
        self, *arguments: Any, sound_prompt: str | None = None, sound_seed: int = 0, **named: Any
    ) -> VideosWithSound:
        """Call the pipeline and generate the sound of each of its videos; video n gets seed `sound_seed` + n.

        The sound has the pipeline's `prompt`, which is its first argument, unless there is a `sound_prompt`. Raises
        MediaError if the output has no usable frames, as with `output_type="latent"`.
        """
        output = self.pipeline(*arguments, **named)
        # Pipelines return a tuple with return_dict=False.
        frames = output[0] if isinstance(output, tuple) else getattr(output, "frames", None)
        videos = videos_of(frames)
        given = sound_prompt if sound_prompt is not None else named.get("prompt", arguments[0] if arguments else "")
        prompts = _prompts(given, len(videos))
        audio = tuple(
            self.finisher(video, self.fps, prompt, seed=sound_seed + number)
            for number, (video, prompt) in enumerate(zip(videos, prompts, strict=True))
        )
        return VideosWithSound(
            frames=frames,
            audio=audio,
            output=output,
            fps=self.fps,
            prompts=prompts,
            seed=sound_seed,
            finisher=self.finisher,
        )


def videos_of(frames: Any) -> Sequence[Any]:
    """Return the videos in a pipeline's `frames`: an array or tensor of five axes, or a list of lists of images.

    Raises MediaError if there are none.
    """
    if frames is None:
        raise MediaError("the pipeline's answer has no frames; is it one that makes video?")
    if getattr(frames, "ndim", 0) == 5:
        return [frames[index] for index in range(len(frames))]
    if isinstance(frames, Sequence) and frames and not hasattr(frames[0], "convert"):
        first = frames[0]
        if isinstance(first, Sequence) or getattr(first, "ndim", 0) == 4:
            return frames
    # A single video without a batch, if it is one.
    as_frames(frames, 1)
    return [frames]


def _prompts(given: Any, count: int) -> tuple[str, ...]:
    if given is None:
        given = ""
    prompts = [given] if isinstance(given, str) else list(given)
    if len(prompts) == count:
        return tuple(str(prompt) for prompt in prompts)
    if count % len(prompts):
        raise MediaError(f"there are {len(prompts)} prompts for {count} videos")
    # With num_videos_per_prompt, diffusers returns all videos of the first prompt first.
    each = count // len(prompts)
    return tuple(str(prompt) for prompt in prompts for _ in range(each))

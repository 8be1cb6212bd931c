"""Sound for frames in memory, for programs that generate video. The model stays loaded between calls."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import avlink
from avlink import OutputError, Override, Prompt, atomic_write, digest, read_whole
from avlink.hooks import find_recipe
from avlink_genvideo.frames import ArrayFrames, Layout, as_frames
from avlink_genvideo.mixing import UpmixedSound
from avlink_genvideo.prompt_cleaning import clean_prompt
from avlink_genvideo.provenance import Provenance, describe_model
from avlink_genvideo.write import mux_at_loudness

if TYPE_CHECKING:
    from avlink import OnStep, Session, SonifyRecipe, SoundSource, Waveform

_MOVIES = (".mp4", ".m4v", ".mov", ".mkv")
# Visually lossless for x264: the frames exist nowhere else.
_CRF = 14


@dataclass(frozen=True)
class Finisher:
    """Generates the sound of videos. The model is loaded at the first call, and shared by all finishers of a device.

    `recipe` and `settings` are those of `avlink sonify`, `device` is "auto", "cpu", "cuda" or "mps". The sound is
    mastered to `lufs` (None leaves it as the model made it) with a true peak of at most `peak_dbtp`, on `channels`
    identical channels.
    """

    recipe: str = "foley"
    settings: Sequence[str] = ()
    device: str = "auto"
    lufs: float | None = -23.0
    peak_dbtp: float = -1.0
    channels: int = 2

    def __call__(
        self,
        frames: Any,
        fps: float | Fraction,
        prompt: str = "",
        *,
        negative: str = "",
        seed: int = 0,
        layout: Layout | None = None,
        on_step: OnStep | None = None,
    ) -> Waveform:
        """Return the sound of `frames` (see `avlink_genvideo.frames.as_frames`), round(T / fps * rate) samples long.

        `prompt` may be the one of the pictures: weights, LoRA tags and quality tags are removed. The same frames,
        prompt and seed give the same sound. `on_step(done, total)` reports progress; an exception that it raises
        interrupts the call.

        Raises MediaError for frames that cannot be used, RecipeError, BundleError and PluginError for models.
        """
        sound = self._generate(
            as_frames(frames, fps, layout=layout), Prompt(text=clean_prompt(prompt), negative=negative), seed, on_step
        )
        target = avlink.LoudnessTarget(lufs=self.lufs, peak_dbtp=self.peak_dbtp)
        return read_whole(avlink.master(sound, target).sound)

    def write(
        self,
        path: str | Path,
        frames: Any,
        fps: float | Fraction,
        prompt: str = "",
        *,
        negative: str = "",
        seed: int = 0,
        layout: Layout | None = None,
        tags: Mapping[str, str] | None = None,
        sound: Waveform | None = None,
    ) -> Path:
        """Write `frames` with their sound as a video, and return its path.

        It holds H.264 and AAC in .mp4, .m4v or .mov, H.264 and FLAC in .mkv. Its provenance is written into it, and so
        are `tags`, such as the settings of the pipeline. Pass the `sound` of a call with the same frames, prompt and
        seed to avoid generating it again.
        Raises OutputError if it cannot be written, and otherwise the same as a call.
        """
        path = Path(path)
        if path.suffix.lower() not in _MOVIES:
            raise OutputError(f"{path} cannot be written: a finished video is one of {', '.join(_MOVIES)}")
        source = as_frames(frames, fps, layout=layout)
        cleaned = Prompt(text=clean_prompt(prompt), negative=negative)
        generated = self._generate(source, cleaned, seed, None) if sound is None else sound
        details = {
            **describe_model(self._recipe, self._session),
            "seed": seed,
            "prompt": cleaned.text,
            "negative": cleaned.negative,
            "prompt_from": "the call",
            "sound": "generated",
        }
        with tempfile.TemporaryDirectory(prefix="avlink-finish-") as folder, atomic_write(path) as temporary:
            picture = Path(folder) / f"picture{path.suffix.lower()}"
            avlink.write_video(picture, source, crf=_CRF)
            mux_at_loudness(
                picture,
                generated,
                temporary,
                target=avlink.LoudnessTarget(lufs=self.lufs, peak_dbtp=self.peak_dbtp),
                provenance=Provenance(
                    key=digest([details["model_fingerprint"], cleaned.text, cleaned.negative, seed]), details=details
                ),
                tags=tags or {},
            )
        return path

    @property
    def fingerprint(self) -> str:
        """A digest of everything that the sound depends on besides frames, prompt and seed."""
        model = describe_model(self._recipe, self._session)["model_fingerprint"]
        post = [step.model_dump(mode="json") for step in self._recipe.stems.post]
        return digest([model, post, self._recipe.stems.sample_rate, self.lufs, self.peak_dbtp, self.channels])

    def _generate(self, frames: ArrayFrames, prompt: Prompt, seed: int, on_step: OnStep | None) -> SoundSource:
        shared = _shared(self.device)
        # Models are not thread-safe.
        with shared.lock:
            sound = avlink.sound_for_frames(
                frames, prompt=prompt, seed=seed, recipe=self._recipe, session=shared.session, on_step=on_step
            )
        return UpmixedSound(sound, self.channels)

    # It writes to __dict__ directly, which also works in a frozen dataclass.
    @cached_property
    def _recipe(self) -> SonifyRecipe:
        changes: list[str | Override] = list(self.settings)
        return find_recipe(self.recipe, "sonify", changes)

    @property
    def _session(self) -> Session:
        return _shared(self.device).session


@dataclass(frozen=True, slots=True)
class _Shared:
    """The session of all finishers of a device, which holds the model."""

    session: Session
    lock: Lock


# Each entry keeps a model in memory.
@lru_cache(maxsize=2)
def _shared(device: str) -> _Shared:
    return _Shared(avlink.open_session(device=device), Lock())


@lru_cache(maxsize=16)
def _finisher(options: tuple[tuple[str, Any], ...]) -> Finisher:
    return Finisher(**dict(options))


def get_finisher(**options: Any) -> Finisher:
    """Return the `Finisher` with these options, the same object each time."""
    # Arguments of a cached function have to be hashable.
    kept = {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
    return _finisher(tuple(sorted(kept.items())))


def finish(
    frames: Any,
    fps: float | Fraction,
    prompt: str = "",
    *,
    negative: str = "",
    seed: int = 0,
    layout: Layout | None = None,
    on_step: OnStep | None = None,
    **options: Any,
) -> Waveform:
    """Return the sound of one video's frames, by a `Finisher(**options)` that is kept between calls.

    wave = finish(pipe(prompt).frames[0], fps=16, prompt=prompt, seed=1)
    """
    return get_finisher(**options)(frames, fps, prompt, negative=negative, seed=seed, layout=layout, on_step=on_step)

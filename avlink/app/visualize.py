"""`avlink visualize`: give a sound its generated pictures, enlarged, with the sound muxed in.

The mirror of sonify for one file: resolve, key, look into the cache, generate, finish, write.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from avlink.app.report import STATES, Status, exact_s
from avlink.app.session import Session, open_session, pick_device
from avlink.core import clock
from avlink.core.errors import AvlinkError, InputError, OutputError, PluginError
from avlink.core.events import JobDone, JobStarted, Listener, PlanReady, StepDone, ignore
from avlink.core.hashing import derive_seed, digest, file_digest
from avlink.core.paths import atomic_write
from avlink.core.recipe import VisualizeRecipe
from avlink.core.values import Frames, PictureGenerator, PictureRequest, Prompt
from avlink.hooks import ReadyBackend, resolve_backend
from avlink.media.audio import read_audio
from avlink.media.movie import write_video
from avlink.media.probe import probe
from avlink.timeline.plan import plain_name
from avlink.timeline.write import refuse_overwrite

_FORMAT = 1
_SOUND_RATE = 48000
_MOVIES = (".mp4", ".m4v", ".mov", ".mkv")


@dataclass(frozen=True, slots=True, kw_only=True)
class VisualizeRequest:
    """`input` is a media file with sound; `output` None means `<name>.picture.mp4` beside it."""

    input: Path
    recipe: VisualizeRecipe
    output: Path | None = None
    device: str = "auto"
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VisualizeReport:
    """What was made. A run that fails raises, so the one item is generated or cached."""

    input: Path
    output: Path
    item: dict[str, Any]

    @property
    def exit_code(self) -> int:
        """Always 0."""
        return 0

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints, without "format" and "command"."""
        counts = {state: int(state == self.item["status"]) for state in STATES}
        return {"input": str(self.input), "output": str(self.output), "items": [self.item], "counts": counts}


def visualize(
    request: VisualizeRequest, session: Session | None = None, *, listener: Listener = ignore
) -> VisualizeReport:
    """Give one sound its pictures.

    Raises MediaError for input without usable sound, OutputError for a place that cannot be written, PluginError or
    BundleError when the model fails.
    """
    session = open_session(device=request.device, listener=listener) if session is None else session
    recipe, path = request.recipe, request.input
    backend = resolve_backend(recipe, session.registry)
    output = request.output or path.with_name(f"{path.stem}.picture.mp4")
    if not path.exists():
        raise InputError(f"{path} does not exist; give a file with sound")
    if output.suffix.lower() not in _MOVIES:
        raise OutputError(f"{output} cannot be the output: pictures are written as {', '.join(_MOVIES)}")
    refuse_overwrite(output, inputs=(path,))
    probe(path)
    sound = read_audio(path, sample_rate=_SOUND_RATE, mono=False)
    if sound.num_samples == 0:
        raise InputError(f"{path} has no sound in it; give a file with sound")
    values = {"clip.name": plain_name(path.name), "source.name": path.stem}
    prompt = Prompt(text=recipe.prompt.fill(values), negative=recipe.prompt.negative)
    content = file_digest(path, session.store)
    seed = derive_seed(recipe.run.seed, content)
    key = digest(
        ["picture", _FORMAT, backend.name, backend.fingerprint(), content, [prompt.text, prompt.negative], seed]
    )
    # Held open from here on, so that nobody can take it away.
    frames = None if request.force else _kept(key, session)
    cached = frames is not None
    session.tell(PlanReady(jobs=1, cached=int(cached)))
    session.tell(JobStarted(job_id=key[:12], name=path.name))
    if frames is None:
        _generate(request, backend, prompt, seed, key, session)
        frames = _kept(key, session)
    if frames is None:
        raise OutputError(f"the cache {session.cache} loses what is put into it; see whether something empties it")
    with atomic_write(output) as temporary:
        write_video(temporary, frames, sound=sound, scale=recipe.picture.upscale)
    session.tell(JobDone(job_id=key[:12], name=path.name, note="cached" if cached else ""))
    status: Status = "cached" if cached else "generated"
    item = {
        "id": key[:12],
        "name": path.name,
        "source": str(path),
        "source_duration_s": exact_s(sound.duration_s),
        "prompt": prompt.text,
        "seed": seed,
        "status": status,
        "reason": None,
        "picture": {
            "path": str(output),
            "width": frames.width * recipe.picture.upscale,
            "height": frames.height * recipe.picture.upscale,
            "frames": frames.num_frames,
            "rate": float(frames.rate),
        },
    }
    return VisualizeReport(input=path, output=output, item=item)


def _generate(
    request: VisualizeRequest, backend: ReadyBackend, prompt: Prompt, seed: int, key: str, session: Session
) -> None:
    generator = cast(PictureGenerator, backend.load(pick_device(session.device)))
    sound = read_audio(request.input, sample_rate=generator.sample_rate, mono=True)
    wanted = PictureRequest(sound=sound, duration_s=sound.duration_s, prompt=prompt, seed=seed)

    def on_step(done: int, total: int) -> None:
        session.tell(StepDone(job_id=key[:12], done=done, total=total))

    try:
        (frames,) = generator.generate([wanted], on_step=on_step)
    except AvlinkError:
        raise
    except Exception as error:
        raise PluginError(f"backend '{backend.name}' failed: {type(error).__name__}: {error}") from error
    expected = max(1, clock.to_index(sound.duration_s, generator.picture.rate))
    if frames.num_frames != expected:
        raise PluginError(f"backend '{backend.name}' gave {frames.num_frames} frames instead of {expected}")
    rate = [frames.rate.numerator, frames.rate.denominator]
    session.store.put_file(key, ".npy", lambda path: np.save(path, frames.pixels, allow_pickle=False), {"rate": rate})


def _kept(key: str, session: Session) -> Frames | None:
    from fractions import Fraction

    path, meta = session.store.get(key), session.store.meta(key)
    if path is None or meta is None:
        return None
    numerator, denominator = cast("list[int]", meta["rate"])
    try:
        # Read from the disk as it is written: long sounds have more pictures than fit in memory.
        pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        return None
    return Frames(pixels=pixels, rate=Fraction(numerator, denominator))

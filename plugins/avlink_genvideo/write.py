"""Writing a finished video: its sound is generated, mastered, and muxed with the picture, which is copied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import avlink
from avlink import AmplifiedSound, AvlinkError, MediaError, fraction_text, to_index
from avlink_genvideo.animated_images import read_pictures
from avlink_genvideo.mixing import LayeredSound, UpmixedSound
from avlink_genvideo.prompt import FoundPrompt
from avlink_genvideo.provenance import TAG, Provenance, describe_model
from avlink_genvideo.report import FinishedVideo
from avlink_genvideo.request import FinishRequest

if TYPE_CHECKING:
    from avlink import FileState, Loudness, LoudnessTarget, MediaInfo, Session, SonifyRecipe, SonifyRequest, SoundSource

# A codec that overshoots below every ceiling must not be tried for ever.
_TRIES = 4
_MARGIN_DB = 0.05
_FAR_LU = 0.5
# Containers of a family store packets in the same form, so that copies can be compared byte for byte.
_FAMILIES = ({".mp4", ".m4v", ".mov"}, {".mkv", ".webm"})


@dataclass(slots=True)
class FinishJob:
    """One video of a request. `tags` are written into the output beside those that muxing copies."""

    path: Path
    output: Path
    request: FinishRequest
    session: Session
    state: FileState
    """The video as it was before anything was read of it."""
    notes: list[str] = field(default_factory=list)
    prompt: FoundPrompt = field(default_factory=FoundPrompt)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def recipe(self) -> SonifyRecipe:
        """The recipe with the prompt of this video, for a single take."""
        recipe = self.request.recipe
        # Braces would be taken for placeholders of the prompt template.
        text = self.prompt.text.replace("{", "(").replace("}", ")")
        prompt = recipe.prompt.model_copy(update={"template": text, "negative": self.prompt.negative})
        # The prompt was chosen already, also against that of the metadata, which the hook would read again.
        plugins = {name: options for name, options in recipe.plugins.items() if name != "avlink_genvideo"}
        run = recipe.run.model_copy(update={"takes": 1})
        return recipe.model_copy(update={"prompt": prompt, "run": run, "plugins": plugins})


def encode_animation(job: FinishJob, folder: Path) -> Path:
    """Encode an animated image as a silent movie with the output's suffix, and return its path."""
    kind = job.path.suffix.lower().lstrip(".")
    how = "without loss" if job.request.lossless else "anew, visually alike (--lossless keeps every bit)"
    suffix = job.output.suffix.lower()
    job.notes.append(f"{kind} holds no sound: the result is {suffix.lstrip('.')}, its picture encoded {how}")
    movie = folder / f"picture{suffix}"
    avlink.write_animation(movie, read_pictures(job.path), lossless=job.request.lossless)
    return movie


def write_finished(
    job: FinishJob, picture: Path, existing: SoundSource | None, key: str, folder: Path
) -> FinishedVideo:
    """Generate the sound of `picture`, mix it under an `existing` one, and write the video.

    Temporary files go to `folder`. Raises PluginError where the model fails, OutputError for an output that cannot be
    written.
    """
    request, info = job.request, avlink.probe(picture)
    generated, cached = _generate(job, picture, folder)
    wanted = to_index(info.duration_s, generated.sample_rate)
    # Muxing would hide a sound of another length: players go on with silence.
    if generated.num_samples != wanted:
        raise AvlinkError(f"the sound is {generated.num_samples} samples long and the picture {wanted}")
    channels = existing.channels if existing is not None else request.channels
    sound = _mix_under(existing, UpmixedSound(generated, channels))
    details = {**_details(job, info), "sound": "generated" if existing is None else "mixed"}
    outputs = job.session.outputs(overwrite=request.overwrite)
    # In place the video itself is written over, and kept as `.bak`.
    with outputs.write(job.output, source=job.path, keep=request.in_place) as temporary:
        try:
            level = mux_at_loudness(
                picture,
                sound,
                temporary,
                target=avlink.LoudnessTarget(lufs=request.lufs, peak_dbtp=request.peak_dbtp),
                provenance=Provenance(key=key, details=details),
                tags=job.tags,
            )
        except MediaError as error:
            # An error of the container names the temporary file, which nobody knows.
            raise MediaError(str(error).replace(str(temporary), str(job.output))) from error
        _check_picture(picture, temporary)
        job.state.check()
    if request.lufs is not None and level.lufs is not None and request.lufs - level.lufs > _FAR_LU:
        job.notes.append(f"it stays {request.lufs - level.lufs:.1f} LU below the target: its peaks leave no more room")
    if level.true_peak_dbtp > request.peak_dbtp:
        job.notes.append(f"its true peak is {level.true_peak_dbtp:.2f} dBTP, which its codec does not let be lower")
    if level.lufs is None:
        job.notes.append("it is silent or shorter than 0.4 s, and has no loudness that could be changed")
    return FinishedVideo(
        source=job.path,
        output=job.output,
        status="cached" if cached else "generated",
        prompt=job.prompt,
        seed=request.recipe.run.seed,
        duration_s=round(float(info.duration_s), 6),
        level=level,
        sample_rate=sound.sample_rate,
        channels=sound.channels,
        notes=tuple(job.notes),
    )


def plan_finished(job: FinishJob, picture: Path, folder: Path) -> FinishedVideo:
    """Return the outcome of finishing `picture`, as far as it is planned; temporary files would go to `folder`.

    Raises the error with which it would end before generating.
    """
    report = avlink.sonify(_sound_request(job, picture, folder / "sound.wav", dry_run=True), job.session)
    if report.refusal is not None:
        raise report.refusal
    (item,) = report.items
    return FinishedVideo(
        source=job.path,
        output=job.output,
        status=item.status,
        reason=item.reason,
        prompt=job.prompt,
        seed=job.request.recipe.run.seed,
        notes=tuple(job.notes),
    )


def mux_at_loudness(
    picture: Path,
    sound: SoundSource,
    movie: Path,
    *,
    target: LoudnessTarget,
    provenance: Provenance,
    tags: Mapping[str, str],
) -> Loudness:
    """Write `movie` from the copied picture, the mastered sound and both kinds of metadata; return its loudness.

    The loudness is measured in the written file. Lossy codecs overshoot, so the ceiling is lowered until the true peak
    of the decoded sound is within the target.
    """
    duration_s = avlink.probe(picture).duration_s
    asked = target
    for _ in range(_TRIES):
        mastered = avlink.master(sound, target)
        loudness = {
            "target_lufs": target.lufs,
            "lufs": _rounded(mastered.level.lufs),
            "true_peak_dbtp": _rounded(mastered.level.true_peak_dbtp),
        }
        full = replace(provenance, details={**provenance.details, "loudness": loudness})
        avlink.mux_sound(picture, mastered.sound, movie, tags={**tags, TAG: full.to_text()})
        decoded = avlink.read_audio(movie, sample_rate=sound.sample_rate, mono=False, duration_s=duration_s)
        level = avlink.measure_loudness(decoded)
        over_db = level.true_peak_dbtp - asked.peak_dbtp
        if over_db <= 0:
            break
        target = replace(target, peak_dbtp=target.peak_dbtp - over_db - _MARGIN_DB)
    return level


def _generate(job: FinishJob, picture: Path, folder: Path) -> tuple[SoundSource, bool]:
    """Return the generated sound after the recipe's chain, and True if it was in the cache."""
    # By way of a file, so that planning, seed and cache key are those of `avlink sonify`.
    wav = folder / "sound.wav"
    report = avlink.sonify(_sound_request(job, picture, wav), job.session)
    (item,) = report.items
    if item.status not in ("generated", "cached"):
        raise AvlinkError(item.reason or "no sound was made")
    return avlink.WaveFile(wav), item.status == "cached"


def _sound_request(job: FinishJob, picture: Path, wav: Path, *, dry_run: bool = False) -> SonifyRequest:
    return avlink.SonifyRequest(
        input=picture,
        recipe=job.recipe,
        output=wav,
        device=job.request.device,
        force=job.request.force,
        dry_run=dry_run,
    )


def _mix_under(existing: SoundSource | None, generated: SoundSource) -> SoundSource:
    """Return the generated sound, or the sum of an existing one and the generated one at the same loudness."""
    if existing is None:
        return generated
    target, level = avlink.measure_loudness(existing).lufs, avlink.measure_loudness(generated).lufs
    factor = 1.0 if target is None or level is None else 10 ** ((target - level) / 20)
    return LayeredSound(existing, AmplifiedSound(generated, factor))


def _details(job: FinishJob, info: MediaInfo) -> Mapping[str, Any]:
    prompt = job.prompt
    return {
        **describe_model(job.recipe, job.session),
        "seed": job.recipe.run.seed,
        "prompt": prompt.text,
        "negative": prompt.negative,
        "prompt_from": prompt.location,
        "source": job.path.name,
        "source_digest": job.state.digest,
        "duration_s": fraction_text(info.duration_s),
    }


def _check_picture(before: Path, after: Path) -> None:
    """Raise AvlinkError if the copied picture differs, as far as both containers store packets in the same form."""
    suffixes = {before.suffix.lower(), after.suffix.lower()}
    if not any(suffixes <= family for family in _FAMILIES):
        return
    if avlink.picture_digest(before) != avlink.picture_digest(after):
        raise AvlinkError(f"the picture of {before} did not come through unchanged; nothing was written")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)

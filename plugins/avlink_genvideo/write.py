"""Writing a finished video: the sound is made, brought to its loudness, and put beside the picture, which is copied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import avlink
from avlink import BUILTIN, AvlinkError, MediaError, atomic_write, file_digest, fraction_text, to_index
from avlink.hooks import resolve_backend
from avlink_genvideo.animated_images import read_pictures
from avlink_genvideo.mixing import LayeredSound, UpmixedSound
from avlink_genvideo.provenance import TAG, Provenance
from avlink_genvideo.work import FinishedVideo, Work

if TYPE_CHECKING:
    from avlink import Loudness, LoudnessTarget, MediaInfo, Session, SonifyRecipe, SoundSource

# Lossy codecs overshoot: the peak is measured in the file, and the ceiling lowered until it holds.
_TRIES = 4
_MARGIN_DB = 0.05
_FAR_LU = 0.5
_ONE_CONTAINER = ({".mp4", ".m4v", ".mov"}, {".mkv", ".webm"})


def encode_animation(work: Work, folder: Path) -> Path:
    """An animated image as a silent movie of the output's kind."""
    kind = work.path.suffix.lower().lstrip(".")
    how = "without loss" if work.request.lossless else "anew, visually alike (--lossless keeps every bit)"
    suffix = work.output.suffix.lower()
    work.notes.append(f"{kind} holds no sound: the result is {suffix.lstrip('.')}, its picture encoded {how}")
    movie = folder / f"picture{suffix}"
    avlink.write_animation(movie, read_pictures(work.path), lossless=work.request.lossless)
    return movie


def _sound(work: Work, picture: Path, folder: Path) -> tuple[SoundSource, bool]:
    """The generated sound after the recipe's chain, and whether the model had made it before."""
    wav = folder / "sound.wav"
    request = avlink.SonifyRequest(
        input=picture, recipe=work.recipe, output=wav, device=work.request.device, force=work.request.force
    )
    report = avlink.sonify(request, work.session)
    (item,) = report.items
    if item.status not in ("generated", "cached"):
        raise AvlinkError(item.reason or "no sound was made")
    return avlink.WaveFile(wav), item.status == "cached"


def write_finished(work: Work, picture: Path, existing: SoundSource | None, key: str, folder: Path) -> FinishedVideo:
    """Make the sound of `picture`, alone or under an `existing` one, and write the video. Passing files go to `folder`.

    Raises PluginError where the model fails, OutputError for a place that cannot be written.
    """
    request, info = work.request, avlink.probe(picture)
    generated, cached = _sound(work, picture, folder)
    wanted = to_index(info.duration_s, generated.sample_rate)
    if generated.num_samples != wanted:
        raise AvlinkError(f"the sound is {generated.num_samples} samples long and the picture {wanted}")
    sound = _together(existing, UpmixedSound(generated, existing.channels if existing is not None else request.channels))
    details = {**_details(work, info), "sound": "generated" if existing is None else "mixed"}
    with atomic_write(work.output) as temporary:
        try:
            level = mux_at_loudness(
                picture,
                sound,
                temporary,
                target=avlink.LoudnessTarget(lufs=request.lufs, peak_dbtp=request.peak_dbtp),
                provenance=Provenance(key=key, details=details),
                tags=work.tags,
            )
        except MediaError as error:
            # What does not fit into the container is said of the file that was asked for.
            raise MediaError(str(error).replace(str(temporary), str(work.output))) from error
        _check_picture(picture, temporary)
    if request.lufs is not None and level.lufs is not None and request.lufs - level.lufs > _FAR_LU:
        work.notes.append(f"it stays {request.lufs - level.lufs:.1f} LU below the target: its peaks leave no more room")
    if level.true_peak_dbtp > request.peak_dbtp:
        work.notes.append(f"its true peak is {level.true_peak_dbtp:.2f} dBTP, which its codec does not let be lower")
    if level.lufs is None:
        work.notes.append("it is silent or shorter than 0.4 s, and has no loudness that could be changed")
    return FinishedVideo(
        source=work.path,
        output=work.output,
        status="cached" if cached else "generated",
        prompt=work.prompt,
        seed=request.recipe.run.seed,
        duration_s=round(float(info.duration_s), 6),
        level=level,
        sample_rate=sound.sample_rate,
        channels=sound.channels,
        notes=tuple(work.notes),
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
    """Write `movie`: the picture copied, the sound at its loudness, and both texts. The level is measured in it."""
    duration_s = avlink.probe(picture).duration_s
    asked = target
    for _ in range(_TRIES):
        mastered = avlink.master(sound, target)
        loudness = {
            "target_lufs": target.lufs,
            "lufs": _rounded(mastered.level.lufs),
            "true_peak_dbtp": _rounded(mastered.level.true_peak_dbtp),
        }
        said = replace(provenance, details={**provenance.details, "loudness": loudness})
        avlink.mux_sound(picture, mastered.sound, movie, tags={**tags, TAG: said.to_text()})
        heard = avlink.read_audio(movie, sample_rate=sound.sample_rate, mono=False, duration_s=duration_s)
        level = avlink.measure_loudness(heard)
        over_db = level.true_peak_dbtp - asked.peak_dbtp
        if over_db <= 0:
            break
        target = replace(target, peak_dbtp=target.peak_dbtp - over_db - _MARGIN_DB)
    return level


def describe_model(recipe: SonifyRecipe, session: Session) -> Mapping[str, Any]:
    """Which tool and model a sound comes from, for its provenance."""
    backend = resolve_backend(recipe, session.registry)
    model = getattr(backend.options, "model", None)
    return {
        "tool": "avlink",
        "version": avlink.__version__,
        "backend": backend.name,
        "model": BUILTIN if model == "builtin" else model,
        "model_fingerprint": backend.fingerprint(),
        "recipe": recipe.source.label,
        **({"licence": backend.licence} if backend.licence else {}),
    }


def _together(existing: SoundSource | None, generated: SoundSource) -> SoundSource:
    """The generated sound, or under an existing one as loud as that."""
    if existing is None:
        return generated
    there, new = avlink.measure_loudness(existing).lufs, avlink.measure_loudness(generated).lufs
    factor = 1.0 if there is None or new is None else 10 ** ((there - new) / 20)
    return LayeredSound(existing, generated, factor)


def _details(work: Work, info: MediaInfo) -> Mapping[str, Any]:
    prompt = work.prompt
    return {
        **describe_model(work.recipe, work.session),
        "seed": work.recipe.run.seed,
        "prompt": prompt.text,
        "negative": prompt.negative,
        "prompt_from": prompt.place,
        "source": work.path.name,
        "source_digest": file_digest(work.path, work.session.store),
        "duration_s": fraction_text(info.duration_s),
    }


def _check_picture(before: Path, after: Path) -> None:
    """The picture is a copy; where both containers write packets alike, that can be seen."""
    kinds = {before.suffix.lower(), after.suffix.lower()}
    if not any(kinds <= family for family in _ONE_CONTAINER):
        return
    if avlink.picture_digest(before) != avlink.picture_digest(after):
        raise AvlinkError(f"the picture of {before} did not come through unchanged; nothing was written")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)

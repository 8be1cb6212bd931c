"""Finishing one video: what is in it, which words it was made with, whether there is anything to do, and doing it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import avlink
from avlink import InputError, MediaError, OutputError, digest, file_digest
from avlink.hooks import resolve_backend, resolve_chain
from avlink_genvideo.animated_images import is_animated
from avlink_genvideo.metadata import MetadataText, read_metadata
from avlink_genvideo.prompt import FoundPrompt, extract_prompt
from avlink_genvideo.provenance import TAG, Provenance, read_provenance
from avlink_genvideo.request import FinishRequest
from avlink_genvideo.work import FinishedVideo, Work
from avlink_genvideo.write import encode_animation, write_finished

if TYPE_CHECKING:
    from avlink import MediaInfo, Session, SoundSource

_FORMAT = 1
# What is quieter than this is a track that a generator wrote with nothing in it.
_SILENT_DBTP = -80.0


def finish_one(path: Path, output: Path, request: FinishRequest, session: Session) -> FinishedVideo:
    """Give one video its sound and write it to `output`, or say why it was left alone.

    Raises InputError for what is wrong with the file or the place, PluginError where the model fails.
    """
    work = Work(path, output, request, session)
    animated = is_animated(path)
    own = {} if animated else avlink.read_tags(path)
    done = read_provenance(own)
    if done is not None and not request.force:
        return _left(work, f"already finished: {done.describe()}")
    if done is not None and done.details.get("sound") == "mixed":
        raise InputError(
            f"the sound of {path} is a mix already, which cannot be taken apart; finish the original again"
        )
    info = None if animated else _picture(path)
    texts = read_metadata(path, {name: text for name, text in own.items() if name.lower() != TAG})
    work.prompt = _prompt(request, texts, path.name)
    work.notes += work.prompt.notes
    if request.use_prompt and request.prompt is None and not work.prompt.text:
        work.notes.append("no prompt was found in it; the sound follows the picture alone")
    key = _key(work)
    there = read_file_provenance(output) if not request.in_place and output.exists() else None
    if there is not None and there.key == key and not request.force:
        return replace(_left(work, f"{output.name} is finished already; --force makes it anew"), output=output)
    if output.exists() and there is None and not request.in_place and not request.force:
        raise OutputError(f"{output} is there already and was not made by avlink finish; move it, or give --force")
    # A finished video's own sound is ours, and made anew.
    existing = None if info is None or done is not None else _existing(work, info)
    if request.dry_run:
        return FinishedVideo(
            source=path, output=output, status="generated", prompt=work.prompt, seed=request.recipe.run.seed,
            notes=tuple(work.notes),
        )  # fmt: skip
    work.tags = {note.name: note.text for note in texts if animated and not note.name.startswith(".")}
    with tempfile.TemporaryDirectory(prefix="avlink-finish-") as name:
        folder = Path(name)
        picture = encode_animation(work, folder) if animated else path
        return write_finished(work, picture, existing, key, folder)


def _left(work: Work, reason: str) -> FinishedVideo:
    return FinishedVideo(source=work.path, output=None, status="skipped", reason=reason, notes=tuple(work.notes))


def _picture(path: Path) -> MediaInfo:
    info = avlink.probe(path)
    if info.video is None:
        raise MediaError(f"'{path}' has no picture, only sound; name a video")
    return info


def _prompt(request: FinishRequest, texts: Sequence[MetadataText], name: str) -> FoundPrompt:
    """The words for the sound: given, found, or none."""
    if request.prompt is not None:
        found = FoundPrompt(text=request.prompt, place="--prompt")
    else:
        found = extract_prompt(texts, file_name=name) if request.use_prompt else FoundPrompt()
    return found if request.negative is None else replace(found, negative=request.negative)


def read_file_provenance(path: Path) -> Provenance | None:
    """What a file says of `avlink finish`; None also for one that cannot be read, or holds no notes."""
    try:
        return read_provenance(avlink.read_tags(path))
    except InputError:
        return None


def _key(work: Work) -> str:
    """The name of all that the result depends on."""
    request, recipe = work.request, work.recipe
    backend = resolve_backend(recipe, work.session.registry)
    chain = resolve_chain(recipe, work.session.registry)
    return digest(
        [
            _FORMAT,
            file_digest(work.path, work.session.store),
            [backend.name, backend.fingerprint(), [dict(step.key) for step in chain]],
            [recipe.stems.sample_rate, recipe.run.seed, work.prompt.text, work.prompt.negative],
            [request.lufs, request.peak_dbtp, request.channels, request.existing, request.lossless],
        ]
    )


def _existing(work: Work, info: MediaInfo) -> SoundSource | None:
    """The sound that the video has and that shall be mixed; None where there is none or it shall go."""
    if info.audio is None:
        return None
    if work.request.existing == "replace":
        work.notes.append("the sound that it had was replaced")
        return None
    rate = work.request.recipe.stems.sample_rate
    sound = avlink.read_audio(work.path, sample_rate=rate, mono=False, duration_s=info.duration_s)
    if avlink.measure_loudness(sound).true_peak_dbtp < _SILENT_DBTP:
        work.notes.append("its sound track was silent, and was replaced")
        return None
    if work.request.existing == "refuse":
        raise InputError(
            f"{work.path} has a sound already; --replace makes another in its place, --mix puts the new one under it"
        )
    return sound

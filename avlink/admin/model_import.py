"""`avlink models import`: making a bundle, from which training can start, of public checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avlink.core.architecture import AVLinkConfig, TextConfig
from avlink.core.codec_config import GriffinLimConfig, VAEConfig
from avlink.core.documents import parse_json
from avlink.core.errors import BundleError, InputError, MediaError, OutputError
from avlink.core.events import Listener, Message, ignore
from avlink.core.input_files import read_text
from avlink.core.limits import TABLE_BYTES

if TYPE_CHECKING:
    from avlink.engine.codec.vae import MelVAE
    from avlink.engine.public.checkpoint import Checkpoint
    from avlink.engine.public.component import PublicComponent
    from avlink.engine.text.t5 import T5Encoder

_SHARD_BYTES = 2**30
_MEASURED_FILES = 200
_MEASURED_S = 10
_KNOWN = "GenAU's and Make-An-Audio 2's 1D-VAE, HiFi-GAN, BigVGAN, Vocos, and folders of T5"


def import_models(
    sources: Sequence[Path],
    out: Path,
    *,
    name: str | None = None,
    settings: Path | None = None,
    licence: str | None = None,
    measure: Path | None = None,
    listener: Listener = ignore,
) -> dict[str, Any]:
    """Write the components in `sources`, any of a VAE, a vocoder and a text encoder, as the bundle `out`.

    `settings` is the JSON configuration of a vocoder that has none beside it. `licence` replaces the licences noted
    with the sources. Latents are scaled to unit variance by the checkpoint's own statistics, or by those measured on
    the sounds in the folder `measure`. Return the output and a note on each component.

    Raises BundleError if a source cannot be read or components do not fit together, OutputError if `out` exists.
    """
    import torch

    from avlink.engine.bundle import write_bundle

    if out.exists():
        raise OutputError(f"{out} is already there; give another folder to write the bundle to")
    found: dict[str, PublicComponent] = {}
    text: T5Encoder | None = None
    notes: list[dict[str, str]] = []
    for source in sources:
        if _is_t5(source):
            if text is not None:
                raise BundleError(f"{source} is a second text encoder beside {text.folder}; a bundle has one")
            text = _t5(source)
            notes.append(_note("text", "T5 encoder", licence or _card_licence(source), source))
            continue
        for part in _parts(source, settings):
            before = found.get(part.name)
            if before is not None and before.source == part.source:
                continue
            if before is not None:
                raise BundleError(f"{source} is a second {part.name} beside {before.source}; a bundle has one")
            found[part.name] = part
            notes.append(_note(part.name, part.title, licence or part.licence, part.source))
    config = _together(found, text)
    if "vae" in found and measure is not None:
        _whiten(found["vae"], measure, listener)
    for note in notes:
        listener(Message(text=f"{note['part']}: {note['what']} ({note['licence']})"))
    write_bundle(
        out,
        config,
        {key: part.module for key, part in found.items()},
        name=name or out.name,
        licence="; ".join(f"{note['part']}: {note['licence']}" for note in notes),
        description=" and ".join(note["what"] for note in notes) + ", imported",
        training={"imported": notes},
        dtype=torch.float32,
        shard_bytes=_SHARD_BYTES,
        text=text,
    )
    return {"output": str(out), "parts": notes}


def _parts(source: Path, settings: Path | None) -> list[PublicComponent]:
    """Return the components in one file; a vocoder inside a VAE's file comes after the VAE."""
    from avlink.engine.public.checkpoint import read_checkpoint
    from avlink.engine.public.vae import is_vae, read_vae
    from avlink.engine.public.vocoder import is_vocoder, read_vocoder

    checkpoint: Checkpoint = read_checkpoint(source, settings)
    inner = checkpoint.under("vocoder.")
    parts = []
    if is_vae(checkpoint.tensors):
        parts.append(read_vae(checkpoint))
    if is_vocoder(checkpoint.tensors):
        parts.append(read_vocoder(checkpoint))
    elif is_vocoder(inner):
        parts.append(read_vocoder(checkpoint, inner))
    if not parts:
        some = ", ".join(list(checkpoint.tensors)[:3])
        raise BundleError(
            f"{checkpoint.path} holds nothing that AVLink can import (it begins with {some}); it knows {_KNOWN}"
        )
    return parts


def _together(found: dict[str, PublicComponent], text: T5Encoder | None) -> AVLinkConfig:
    """Return the configuration of all parts. Raises BundleError if VAE and vocoder differ in their mel spectrogram."""
    vae, vocoder = found.get("vae"), found.get("vocoder")
    # HiFi-GAN's 1e-9 under the root changes no audible bin, so parts that differ in it fit together.
    speak = {part.mel.model_copy(update={"power_floor": 0.0}) for part in found.values()}
    if vae is not None and vocoder is not None and len(speak) > 1:
        first, second = (
            ", ".join(f"{k} = {v}" for k, v in part.mel.model_dump().items() if v != other.mel.model_dump()[k])
            for part, other in ((vae, vocoder), (vocoder, vae))
        )
        raise BundleError(
            f"{vae.title} and {vocoder.title} do not speak the same spectrogram ({first} against {second}); "
            "import a vocoder that was trained for this VAE"
        )
    config = AVLinkConfig()
    mel = next((part.mel for part in (vae, vocoder) if part is not None), config.mel)
    tables = {
        "mel": mel,
        "vae": vae.config if vae is not None else VAEConfig(),
        # Without a vocoder, Griffin-Lim needs no weights.
        "vocoder": vocoder.config if vocoder is not None else GriffinLimConfig(),
        "text": TextConfig(kind="t5", max_length=128)
        if text is None
        else TextConfig(kind="t5", dim=text.dim, max_length=text.max_length),
    }
    return AVLinkConfig.model_validate(config.model_dump() | {key: table.model_dump() for key, table in tables.items()})


def _whiten(part: PublicComponent, folder: Path, listener: Listener) -> None:
    """Set latent mean and deviation per channel from the first seconds of the sounds in `folder`."""
    import torch

    from avlink.engine.codec.mel import LogMel
    from avlink.media.audio import read_audio
    from avlink.media.probe import probe

    vae: MelVAE = part.module  # type: ignore[assignment]
    vae.eval()
    mel = LogMel(part.mel)
    vae.latent_mean.zero_()
    vae.latent_std.fill_(1.0)
    found: list[torch.Tensor] = []
    for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
        if len(found) == _MEASURED_FILES:
            break
        if not path.is_file() or path.name.startswith("."):
            continue
        try:
            # With a duration, decoding stops after the first seconds of a long film.
            length_s = min(probe(path).duration_s, Fraction(_MEASURED_S))
            sound = read_audio(path, sample_rate=part.mel.sample_rate, duration_s=length_s)
        except MediaError:
            continue
        samples = torch.from_numpy(sound.samples)
        if samples.shape[1] >= part.mel.n_fft:
            with torch.no_grad():
                found.append(vae.encode(mel(samples))[0])
            listener(Message(text=f"measuring latents: {path.name}"))
    if not found:
        raise BundleError(f"{folder} holds no sound to measure the latents on; give a folder of sound or video files")
    latents = torch.cat(found)
    vae.latent_mean.copy_(latents.mean(0))
    vae.latent_std.copy_(latents.std(0).clamp(min=1e-3))


def _is_t5(source: Path) -> bool:
    path = source / "config.json"
    try:
        settings = parse_json(read_text(path, TABLE_BYTES), path)
    except InputError:
        return False
    return isinstance(settings, dict) and settings.get("model_type") in ("t5", "mt5")


def _t5(source: Path) -> T5Encoder:
    from avlink.engine.text.t5 import T5Encoder

    return T5Encoder(source)


def _card_licence(folder: Path) -> str:
    """Return the licence in the front matter of a model folder's README."""
    try:
        lines = (folder / "README.md").read_text("utf-8").split("---")[1].splitlines()
    except (OSError, UnicodeDecodeError, IndexError):
        return "unknown: see where the folder came from"
    told = [line.partition(":")[2].strip() for line in lines if line.startswith("license:")]
    return told[0] if told else "unknown: see where the folder came from"


def _note(part: str, what: str, licence: str, source: Path) -> dict[str, str]:
    return {"part": part, "what": what, "licence": licence, "file": source.name}

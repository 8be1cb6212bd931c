"""What is computed of clips once and for all where the weights for it are at hand: latents, and texts in T5's words.

Both lie beside the clips in folders named by what they depend on, so that other weights make them anew, and only them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from avlink.core.events import JobDone, JobStarted, Listener, Message, StepDone
from avlink.core.hashing import digest
from avlink.core.recipe import TrainRecipe
from avlink.training.data.made import note_made, read_made
from avlink.training.data.prepare import in_words
from avlink.training.data.work import Part

if TYPE_CHECKING:
    from avlink.core.architecture import AVLinkConfig
    from avlink.engine.bundle import Bundle
    from avlink.engine.codec.vae import MelVAE
    from avlink.training.data.cached_texts import TextStore
    from avlink.training.data.clip_rows import ClipRows
    from avlink.training.data.clips import ClipStore


def start_vae(recipe: TrainRecipe, bundles: Sequence[Bundle]) -> MelVAE | None:
    """The VAE that training starts from; None where the recipe trains its own, or has none to start from."""
    from avlink.engine.bundle import load_into
    from avlink.engine.codec.vae import MelVAE
    from avlink.training.start import taken

    bundle = next((bundle for bundle in reversed(bundles) if "vae" in taken(recipe, bundle)), None)
    if bundle is None or "vae" in recipe.stages:
        return None
    vae = MelVAE(recipe.model.vae, recipe.model.mel.n_mels).requires_grad_(False).eval()
    load_into({"vae": vae}, bundle)
    return vae


def latents_of(
    vae: MelVAE, config: AVLinkConfig, clips: ClipStore, bases: Sequence[Path], listener: Listener
) -> ClipRows:
    """The latents of all clips: those in the first of `bases` that has them all, else made in the last one.

    Raises OutputError where they cannot be written.
    """
    from avlink.training.data.clip_rows import ClipRows
    from avlink.training.data.latents import vae_key

    key = vae_key(vae, config)
    stores = [ClipRows(base / f"latents-{key}" / clips.root.name, clips) for base in bases]
    for store in stores:
        if not store.lacking():
            return store
    device = str(next(vae.parameters()).device)
    make(stores[-1:], [clips], [stores[-1].lacking()], vae, config, listener, device)
    return stores[-1]


def prepare_latents(
    recipe: TrainRecipe,
    vae: MelVAE,
    root: Path,
    stores: Mapping[str, ClipStore],
    part: Part,
    listener: Listener,
    device: str,
) -> None:
    """Make the latents of a part's clips in `root`. Raises OutputError."""
    from avlink.training.data.clip_rows import ClipRows
    from avlink.training.data.latents import vae_key

    key = vae_key(vae, recipe.model)
    before = read_made(root).get("latents", key)
    if before != key:
        listener(Message(text="the mel or the VAE's weights are others than before: latents are made anew"))
    latents = [ClipRows(root / f"latents-{key}" / split, clips) for split, clips in stores.items()]
    lacking = [[shard for shard in store.lacking() if part.mine(shard)] for store in latents]
    make(latents, list(stores.values()), lacking, vae, recipe.model, listener, device)
    note_made(root, recipe, latents=key)


def make(
    latents: Sequence[ClipRows],
    clips: Sequence[ClipStore],
    lacking: Sequence[Sequence[int]],
    vae: MelVAE,
    config: AVLinkConfig,
    listener: Listener,
    device: str,
) -> None:
    """Make the lacking shards of latents, and tell how far that is."""
    from avlink.training.data.latents import make_latents

    total = sum(len(store.indices(shard)) for store, shards in zip(latents, lacking, strict=True) for shard in shards)
    if not total:
        return
    listener(JobStarted(job_id="latents", name="latents"))
    tell = _counter("latents", total, listener)
    for store, source, shards in zip(latents, clips, lacking, strict=True):
        make_latents(store, source, vae, config.mel, shards, tell, device)
    listener(JobDone(job_id="latents", name="latents", note=f"{total} clips"))


def texts_folder(root: Path, bundle: Bundle, max_length: int) -> Path:
    """Where texts lie that this bundle's encoder has encoded."""
    return root / f"texts-{digest([dict(bundle.text or {}), max_length])[:12]}"


def prepare_texts(
    recipe: TrainRecipe,
    bundle: Bundle,
    root: Path,
    words: Iterable[str],
    part: Part,
    listener: Listener,
    device: str,
) -> TextStore | None:
    """Encode a part's captions in `root`, each once; None where the model trains an encoder of its own.

    Raises BundleError where the encoder is broken, OutputError where nothing can be written.
    """
    from avlink.engine.bundle import load_text_encoder
    from avlink.training.data.cached_texts import FILE_TEXTS, TextStore

    if recipe.model.text.kind != "t5" or not bundle.text:
        return None
    max_length = recipe.model.text.max_length
    folder = texts_folder(root, bundle, max_length)
    before = read_made(root).get("texts", folder.name)
    if before != folder.name:
        listener(Message(text="the text encoder is another than before: captions are encoded anew"))
    store = TextStore(folder)
    # The empty text is what guidance goes away from.
    wanted = sorted({"", *words})
    lacking = [text for text in wanted if text not in store and part.mine(int(digest(text)[:8], 16))]
    if lacking:
        listener(JobStarted(job_id="texts", name="texts"))
        encoder = load_text_encoder(bundle.folder, bundle.text, device, max_length)
        assert encoder is not None
        tell = _counter("texts", len(lacking), listener)
        for start in range(0, len(lacking), FILE_TEXTS):
            chunk = lacking[start : start + FILE_TEXTS]
            store.add(chunk, encoder)
            tell(len(chunk))
        listener(JobDone(job_id="texts", name="texts", note=f"{len(lacking)} captions"))
    note_made(root, recipe, texts=folder.name)
    return store


def _counter(job: str, total: int, listener: Listener) -> Callable[[int], None]:
    begun_s, done = time.monotonic(), 0

    def tell(count: int) -> None:
        nonlocal done
        done += count
        left_s = (total - done) / done * (time.monotonic() - begun_s)
        listener(StepDone(job_id=job, done=done, total=total, note=f"{in_words(left_s)} left"))

    return tell

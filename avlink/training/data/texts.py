"""Captions encoded once by a frozen text encoder and kept on disk, so that training needs no encoder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avlink.core.events import JobDone, JobStarted, Listener, Message
from avlink.core.hashing import digest
from avlink.core.paths import write_text
from avlink.core.recipe import TrainRecipe
from avlink.engine.bundle import Bundle, load_text_encoder
from avlink.engine.text.encoder import TextEmbeddings, TextEncoder
from avlink.training.data.checked_arrays import is_whole, write_array
from avlink.training.data.prepared import Partition, read_record, update_record
from avlink.training.data.progress import step_counter
from avlink.training.data.shards import MappedArrays

FILE_TEXTS = 1024
"""Texts of one file: the work that a kill costs."""
_BATCH = 64


class TextStore:
    """Encoded texts in `folder`, each once, without padding and in half precision; files are mapped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: list[Path] = []
        self._rows: dict[str, tuple[int, int, int]] = {}
        self._arrays = MappedArrays(lambda number: self._files[number])
        for table in sorted(folder.glob("texts-*.json")) if folder.is_dir() else []:
            self._open(table)

    def __contains__(self, text: str) -> bool:
        return text in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def tokens(self, text: str) -> Tensor:
        """Return the tokens of a text, (words, dim)."""
        file, start, stop = self._rows[text]
        return torch.from_numpy(self._arrays.array(file)[start:stop].astype(np.float32))

    def add(self, texts: Sequence[str], encoder: TextEncoder) -> None:
        """Encode some texts and write them to one file. Raises OutputError."""
        rows: list[Tensor] = []
        for start in range(0, len(texts), _BATCH):
            encoded = encoder.encode(texts[start : start + _BATCH])
            # Without padding, which is most of a batch of short captions.
            rows += [tokens[mask].cpu() for tokens, mask in zip(encoded.tokens, encoded.mask, strict=True)]
        ends = np.cumsum([len(row) for row in rows]).tolist()
        table = {text: (end - len(row), end) for text, row, end in zip(texts, rows, ends, strict=True)}
        path = self.folder / _table_name(texts)
        write_array(path.with_suffix(".npy"), torch.cat(rows).half().numpy())
        # Last: a file of tokens without its table is not read.
        write_text(path, json.dumps(table, ensure_ascii=False))
        self._open(path)

    def _open(self, table: Path) -> None:
        """Add the texts of a file, unless it is damaged: they are then encoded again."""
        number, tokens = len(self._files), table.with_suffix(".npy")
        rows = _read_table(table)
        if rows is None or not is_whole(tokens, rows=max((stop for _, stop in rows.values()), default=0)):
            return
        self._files.append(tokens)
        self._rows |= {text: (number, start, stop) for text, (start, stop) in rows.items()}


def _read_table(path: Path) -> dict[str, tuple[int, int]] | None:
    """Return the rows of each text in a file of tokens; None for a table that is broken, or that of another file."""
    try:
        table = json.loads(path.read_text("utf-8"))
        rows = {str(text): (int(start), int(stop)) for text, (start, stop) in table.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    ends = [0, *(stop for _, stop in rows.values())]
    follow = all(start == end <= stop for end, (start, stop) in zip(ends, rows.values(), strict=False))
    return rows if follow and path.name == _table_name(list(rows)) else None


def _table_name(texts: Sequence[str]) -> str:
    return f"texts-{digest(list(texts))[:12]}.json"


class CachedTextEncoder:
    """A `TextEncoder` that looks texts up in a store, and loads the real encoder only for those that are missing."""

    def __init__(self, store: TextStore, load: Callable[[], TextEncoder]) -> None:
        self._store, self._load = store, load
        self._encoder: TextEncoder | None = None

    def encode(self, prompts: Sequence[str]) -> TextEmbeddings:
        """Return encoded prompts, padded to the longest."""
        unknown = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._store]
        new: dict[str, Tensor] = {}
        if unknown:
            self._encoder = self._encoder or self._load()
            encoded = self._encoder.encode(unknown)
            for prompt, tokens, mask in zip(unknown, encoded.tokens, encoded.mask, strict=True):
                new[prompt] = tokens[mask].cpu()
        rows = [new[prompt] if prompt in new else self._store.tokens(prompt) for prompt in prompts]
        tokens = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        lengths = torch.tensor([len(row) for row in rows])
        return TextEmbeddings(tokens=tokens, mask=torch.arange(tokens.shape[1])[None] < lengths[:, None])


def texts_folder(root: Path, bundle: Bundle, max_length: int) -> Path:
    """Return the folder of texts encoded by this bundle's encoder."""
    return root / f"texts-{digest([dict(bundle.text or {}), max_length])[:12]}"


def prepare_texts(
    recipe: TrainRecipe,
    bundle: Bundle,
    root: Path,
    captions: Iterable[str],
    part: Partition,
    listener: Listener,
    device: str,
) -> TextStore | None:
    """Encode a part's captions in `root`, each once; None where the model trains an encoder of its own.

    Raises BundleError where the encoder is broken, OutputError where nothing can be written.
    """
    if recipe.model.text.kind != "t5" or not bundle.text:
        return None
    max_length = recipe.model.text.max_length
    folder = texts_folder(root, bundle, max_length)
    before = read_record(root).get("texts", folder.name)
    if before != folder.name:
        listener(Message(text="the text encoder is another than before: captions are encoded anew"))
    store = TextStore(folder)
    # Classifier-free guidance needs the empty text.
    wanted = sorted({"", *captions})
    # By digest: parts agree on who encodes a text without talking to each other.
    missing = [text for text in wanted if text not in store and part.owns(int(digest(text)[:8], 16))]
    if missing:
        listener(JobStarted(job_id="texts", name="texts"))
        encoder = load_text_encoder(bundle.folder, bundle.text, device, max_length)
        assert encoder is not None
        on_texts = step_counter("texts", len(missing), listener)
        for start in range(0, len(missing), FILE_TEXTS):
            chunk = missing[start : start + FILE_TEXTS]
            store.add(chunk, encoder)
            on_texts(len(chunk))
        listener(JobDone(job_id="texts", name="texts", note=f"{len(missing)} captions"))
    update_record(root, recipe, texts=folder.name)
    return store

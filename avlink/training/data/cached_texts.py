"""What a frozen text encoder says of captions, on disk: training then needs no encoder."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avlink.core.hashing import digest
from avlink.core.paths import atomic_write, write_text
from avlink.engine.text.encoder import TextEmbeddings, TextEncoder
from avlink.training.data.arrays import MappedArrays

FILE_TEXTS = 1024
"""As many texts are encoded between two files; what a kill costs."""
_BATCH = 64


class TextStore:
    """Encoded texts in `folder`, each once, without padding and in half precision; files are mapped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: list[Path] = []
        self._places: dict[str, tuple[int, int, int]] = {}
        self._arrays = MappedArrays(lambda number: self._files[number])
        for table in sorted(folder.glob("texts-*.json")) if folder.is_dir() else []:
            self._take(table)

    def __contains__(self, text: str) -> bool:
        return text in self._places

    def __len__(self) -> int:
        return len(self._places)

    def tokens(self, text: str) -> Tensor:
        """The tokens of a text, (words, dim)."""
        file, start, stop = self._places[text]
        return torch.from_numpy(self._arrays.array(file)[start:stop].astype(np.float32))

    def add(self, texts: Sequence[str], encoder: TextEncoder) -> None:
        """Encode some texts and keep them in one file. Raises OutputError."""
        rows: list[Tensor] = []
        for start in range(0, len(texts), _BATCH):
            encoded = encoder.encode(texts[start : start + _BATCH])
            rows += [tokens[mask].cpu() for tokens, mask in zip(encoded.tokens, encoded.mask, strict=True)]
        ends = np.cumsum([len(row) for row in rows]).tolist()
        table = {text: (end - len(row), end) for text, row, end in zip(texts, rows, ends, strict=True)}
        path = self.folder / f"texts-{digest(list(texts))[:12]}.json"
        with atomic_write(path.with_suffix(".npy")) as hidden:
            np.save(hidden, torch.cat(rows).half().numpy(), allow_pickle=False)
        # Last: a file of tokens counts from when it says whose they are.
        write_text(path, json.dumps(table, ensure_ascii=False))
        self._take(path)

    def _take(self, table: Path) -> None:
        number = len(self._files)
        self._files.append(table.with_suffix(".npy"))
        for text, (start, stop) in json.loads(table.read_text("utf-8")).items():
            self._places[text] = (number, start, stop)


class CachedText:
    """A `TextEncoder` that looks texts up, and asks the real one only for what is not there."""

    def __init__(self, store: TextStore, load: Callable[[], TextEncoder]) -> None:
        self._store, self._load = store, load
        self._encoder: TextEncoder | None = None

    def encode(self, prompts: Sequence[str]) -> TextEmbeddings:
        """Encoded prompts, padded to the longest."""
        unknown = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._store]
        made: dict[str, Tensor] = {}
        if unknown:
            self._encoder = self._encoder or self._load()
            encoded = self._encoder.encode(unknown)
            for prompt, tokens, mask in zip(unknown, encoded.tokens, encoded.mask, strict=True):
                made[prompt] = tokens[mask].cpu()
        rows = [made[prompt] if prompt in made else self._store.tokens(prompt) for prompt in prompts]
        tokens = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        lengths = torch.tensor([len(row) for row in rows])
        return TextEmbeddings(tokens=tokens, mask=torch.arange(tokens.shape[1])[None] < lengths[:, None])

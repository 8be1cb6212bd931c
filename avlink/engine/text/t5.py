"""T5 as the text encoder (section 3.2), from a local folder in the format of transformers; nothing is downloaded."""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from avlink.core.errors import BundleError, InputError
from avlink.engine.text.encoder import TextEmbeddings

TOKENIZER_FILES = ("tokenizer.json", "spiece.model", "tokenizer_config.json", "special_tokens_map.json")


class T5Encoder:
    """The frozen encoder of T5 or flan-T5; a `TextEncoder`."""

    def __init__(self, folder: Path, *, max_length: int = 128, device: str = "cpu") -> None:
        """Load the encoder in `folder`.

        Raises InputError if transformers is not installed, BundleError if the folder holds no T5.
        """
        transformers = import_transformers()
        # Checked first: transformers asks its hub for files that a folder lacks.
        if not (folder / "config.json").is_file() or not any((folder / name).is_file() for name in TOKENIZER_FILES[:2]):
            raise BundleError(
                f"{folder} holds no T5: it needs config.json, weights, and tokenizer.json or spiece.model; "
                "download the whole model folder"
            )
        # bf16 where it is fast, not fp16: T5's activations overflow in it.
        dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.model: Any = transformers.T5EncoderModel.from_pretrained(
                    folder, local_files_only=True, dtype=dtype
                )
                self.tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except Exception as error:
            raise BundleError(f"the T5 in {folder} cannot be read: {str(error).splitlines()[0]}") from None
        self.model.eval().requires_grad_(False).to(device)
        self.folder, self.max_length = folder, max_length

    @property
    def dim(self) -> int:
        """Width of the embeddings."""
        return int(self.model.config.d_model)

    @torch.no_grad()
    def encode(self, prompts: Sequence[str]) -> TextEmbeddings:
        """Return the last hidden states of prompts, cut to `max_length` tokens, in fp32.

        Padding is masked, unlike in GenAU. The empty prompt is the end mark alone.
        """
        device = self.model.device
        found = self.tokenizer(
            list(prompts), padding="longest", truncation=True, max_length=self.max_length, return_tensors="pt"
        ).to(device)
        hidden = self.model(input_ids=found.input_ids, attention_mask=found.attention_mask).last_hidden_state
        # In fp32: on GPUs T5 runs in bf16, and a backbone without autocast takes fp32 alone.
        return TextEmbeddings(tokens=hidden.float(), mask=found.attention_mask.bool())

    def save(self, folder: Path) -> None:
        """Write the encoder and its tokenizer into `folder`, for this class to load."""
        self.model.save_pretrained(folder)
        for name in TOKENIZER_FILES:
            if (self.folder / name).is_file():
                (folder / name).write_bytes((self.folder / name).read_bytes())


def import_transformers() -> Any:
    """Import transformers without access to its hub; raises InputError if it is not installed."""
    # transformers imports torchaudio if it is installed, and fails with it if its build does not match torch.
    importlib.import_module("avlink.engine.torchaudio")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        transformers: Any = importlib.import_module("transformers")
    except ImportError:
        raise InputError(
            "a T5 text encoder needs transformers, which is not installed; pip install 'avlink[text]'"
        ) from None
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers

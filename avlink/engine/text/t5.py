"""T5 as the text encoder, from a local folder of transformers' kind; nothing is downloaded."""

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
    """The encoder half of T5 or flan-T5, frozen; a `TextEncoder`.

    Runs in bfloat16 on CUDA and in single precision elsewhere: fp16 overflows in T5.
    """

    def __init__(self, folder: Path, *, max_length: int = 128, device: str = "cpu") -> None:
        """Raises InputError where transformers is missing, BundleError where the folder holds no T5."""
        transformers = import_transformers()
        # transformers asks its hub for what a folder lacks: what is needed is looked for first.
        if not (folder / "config.json").is_file() or not any((folder / name).is_file() for name in TOKENIZER_FILES[:2]):
            raise BundleError(
                f"{folder} holds no T5: it needs config.json, weights, and tokenizer.json or spiece.model; "
                "download the whole model folder"
            )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.model: Any = transformers.T5EncoderModel.from_pretrained(
                    folder, local_files_only=True, dtype=torch.bfloat16 if device.startswith("cuda") else torch.float32
                )
                self.tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except Exception as error:
            raise BundleError(f"the T5 in {folder} cannot be read: {str(error).splitlines()[0]}") from None
        self.model.eval().requires_grad_(False).to(device)
        self.folder, self.max_length = folder, max_length

    @property
    def dim(self) -> int:
        """Width of its tokens."""
        return int(self.model.config.d_model)

    @torch.no_grad()
    def encode(self, prompts: Sequence[str]) -> TextEmbeddings:
        """The last hidden states of the prompts, cut to `max_length` tokens, in single precision.

        Padding is masked out, which GenAU does not do: its means count it. The empty prompt is its end mark alone.
        """
        device = self.model.device
        found = self.tokenizer(
            list(prompts), padding="longest", truncation=True, max_length=self.max_length, return_tensors="pt"
        ).to(device)
        hidden = self.model(input_ids=found.input_ids, attention_mask=found.attention_mask).last_hidden_state
        return TextEmbeddings(tokens=hidden.float(), mask=found.attention_mask.bool())

    def save(self, folder: Path) -> None:
        """Write the encoder half and its tokenizer into `folder`, to be read by this class again."""
        self.model.save_pretrained(folder)
        for name in TOKENIZER_FILES:
            if (self.folder / name).is_file():
                (folder / name).write_bytes((self.folder / name).read_bytes())


def import_transformers() -> Any:
    """transformers, kept from its hub; raises InputError where it is not installed."""
    # It imports torchaudio wherever that is installed, and dies with it where that is of another build.
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

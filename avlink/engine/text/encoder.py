"""Encoded prompts, and the interface of the encoders that make them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class TextEmbeddings:
    """Encoded prompts, padded to one length; `mask` is True on words and False on padding."""

    tokens: Float[Tensor, "batch words dim"]
    mask: Bool[Tensor, "batch words"]


@runtime_checkable
class TextEncoder(Protocol):
    """A text encoder that backbones attend to: `ByteEncoder`, or T5 (section 3.2)."""

    def encode(self, prompts: Sequence[str]) -> TextEmbeddings:
        """Encode prompts; the empty prompt is the null condition and still has one word."""
        ...

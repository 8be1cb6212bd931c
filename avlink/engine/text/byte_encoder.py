"""A small trainable text encoder on bytes: without vocabulary or download, for captions of any language in UTF-8."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from avlink.core.architecture import TextConfig
from avlink.engine.nn.attention import SelfAttention
from avlink.engine.nn.rope import rotary_1d
from avlink.engine.text.encoder import TextEmbeddings
from avlink.engine.text.word_table import WordTable


class _TransformerBlock(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(config.dim), nn.LayerNorm(config.dim)
        self.attention = SelfAttention(config.dim, config.heads)
        self.mlp = nn.Sequential(
            nn.Linear(config.dim, 3 * config.dim), nn.GELU(), nn.Linear(3 * config.dim, config.dim)
        )

    def forward(
        self, x: Float[Tensor, "b n d"], rope: Float[Tensor, "n pairs 2"], mask: Bool[Tensor, "b n"]
    ) -> Float[Tensor, "b n d"]:
        x = x + self.attention(self.norm_1(x), rope, mask)
        out: Tensor = x + self.mlp(self.norm_2(x))
        return out


class ByteEncoder(nn.Module):
    """Embedded UTF-8 bytes, a convolution over neighbouring bytes, and a few transformer blocks; a `TextEncoder`."""

    _PAD, _START = 256, 257

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.config = config
        # 256 bytes, padding and start.
        self.embedding = nn.Embedding(258, config.dim)
        self.words = WordTable(config.words, config.dim) if config.words else None
        # Seven bytes, about a short word: attention between single letters would need more layers.
        self.gather = nn.Conv1d(config.dim, config.dim, 7, padding=3)
        self.blocks = nn.ModuleList(_TransformerBlock(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.dim)

    def encode(self, prompts: Sequence[str]) -> TextEmbeddings:
        """Encode prompts on this module's device: bytes after a start mark, cut to `max_length`."""
        # Cut between bytes: half a character at the end does no harm, since bytes are embedded one by one.
        texts = [prompt.strip().lower().encode()[: self.config.max_length - 1] for prompt in prompts]
        # The start mark gives the empty prompt, the null condition, a token to attend to.
        length = 1 + max(len(text) for text in texts)
        bytes_ = torch.tensor([[self._START, *text] + [self._PAD] * (length - 1 - len(text)) for text in texts])
        tokens, mask = self(bytes_.to(self.embedding.weight.device), self._words(texts, length))
        return TextEmbeddings(tokens=tokens, mask=mask)

    def forward(
        self, bytes_: Int[Tensor, "batch n"], words: Float[Tensor, "batch n d"] | None
    ) -> tuple[Float[Tensor, "batch n d"], Bool[Tensor, "batch n"]]:
        mask = bytes_ != self._PAD
        # Padding is zeroed before the convolution, which would carry it into the last bytes.
        x = self.embedding(bytes_) * mask[..., None]
        x = x + nn.functional.gelu(self.gather(x.transpose(1, 2)).transpose(1, 2))
        if words is not None:
            x = x + words
        positions = torch.arange(bytes_.shape[1], device=bytes_.device, dtype=torch.float32)
        rope = rotary_1d(positions, self.config.dim // self.config.heads, 1000.0)
        for block in self.blocks:
            x = block(x, rope, mask)
        return self.norm(x), mask

    def _words(self, texts: Sequence[bytes], length: int) -> Float[Tensor, "batch n d"] | None:
        """Return the vector of each byte's word; None without a table."""
        # The start mark is a byte of no word.
        return None if self.words is None else self.words([b" " + text for text in texts], length)

"""Backbones of which the conditioning one is read between its blocks, and never refined."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

from torch import Tensor, nn

from avlink.engine.avlink import AVLink, Direction
from avlink.engine.nn.dit import Stream


class OneWayAVLink(AVLink, ABC):
    """Two backbones with a block in the place of every Fusion Block that changes the generated stream alone.

    The motion stem is left out: the models that this stands for have none.
    """

    @abstractmethod
    def read(
        self, block: nn.Module, generated: Tensor, given: Tensor, time: Tensor, taus: tuple[Tensor, Tensor]
    ) -> Tensor:
        """Return the generated activations after `block`; `taus` are the times of both sides, as in `AVLink.tau`."""

    def link(
        self,
        direction: Direction,
        a: Stream,
        v: Stream | None,
        motion: Tensor | None,
        time: Tensor,
        control: Tensor | None = None,
        seen: list[Tensor] | None = None,
        trunk: tuple[Stream, ...] = (),
    ) -> tuple[Stream, Stream | None]:
        tau = self.tau(a, v, None)
        for index, block in enumerate(self.fusion.blocks):
            if control is not None:
                a = replace(a, tokens=a.tokens + control[index])
            a = self.run_audio(direction, a, index, trunk)
            if v is None:
                continue
            v = self.run_video(direction, v, index, trunk)
            if direction == "audio":
                a = replace(a, tokens=self.read(block, a.tokens, v.tokens, time, (tau["audio"], tau["video"])))
            else:
                v = replace(v, tokens=self.read(block, v.tokens, a.tokens, time, (tau["video"], tau["audio"])))
        return a, v

"""Sound for pictures by MMAudio, window by window. Each has its own noise, independent of other requests."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avlink import FittedSound, SpooledSound, derive_seed, to_index
from avlink_mmaudio.network import load_network
from avlink_mmaudio.package import installed_package
from avlink_mmaudio.pictures import SPEC, Box, find_box, read_window
from avlink_mmaudio.weights import find_weights
from avlink_mmaudio.windows import join, plan_windows

if TYPE_CHECKING:
    from avlink import OnStep, SoundRequest, SoundSource
    from avlink_mmaudio.network import Network
    from avlink_mmaudio.options import MMAudioOptions

Velocity = Callable[[Tensor, Tensor], Tensor]


def load(options: MMAudioOptions, device: str) -> MMAudioGenerator:
    """Return the generator. Raises InputError without MMAudio, BundleError for weights that cannot be used."""
    installed_package()
    weights = find_weights(options.weights, options.hub, options.variant, published=options.published)
    return MMAudioGenerator(load_network(weights, options.precision, device), options)


class MMAudioGenerator:
    """A `SoundGenerator`. It holds the pictures and the sound of one window in memory, for clips of any length."""

    def __init__(self, network: Network, options: MMAudioOptions) -> None:
        self.picture = SPEC
        self.sample_rate = int(network.lengths.sampling_rate)
        self._network, self._options = network, options
        # Exact milliseconds: 0.1 as a float is no tenth, and window starts would drift.
        self._window_s = Fraction(options.window_s).limit_denominator(1000)
        self._overlap_s = Fraction(options.overlap_s).limit_denominator(1000)

    def generate(self, requests: Sequence[SoundRequest], *, on_step: OnStep | None = None) -> tuple[SoundSource, ...]:
        """Return a mono sound for each request. They are not batched, which would change their last bits."""
        plans = [plan_windows(request.duration_s, self._window_s, self._overlap_s) for request in requests]
        steps = self._options.steps
        total, done = sum(map(len, plans)) * steps, 0
        made = []
        for request, windows in zip(requests, plans, strict=True):

            def tell(step: int, before: int = done) -> None:
                if on_step is not None:
                    on_step(before + step, total)

            made.append(self._one(request, windows, tell))
            done += len(windows) * steps
        return tuple(made)

    def _one(
        self, request: SoundRequest, windows: Sequence[tuple[Fraction, Fraction]], tell: Callable[[int], None]
    ) -> SoundSource:
        box, rate = find_box(request.frames), self.sample_rate

        def pieces() -> Iterator[tuple[int, NDArray[np.float32]]]:
            for index, (start_s, length_s) in enumerate(windows):
                sound = self._window(request, box, start_s, length_s, index, tell)
                start, stop = to_index(start_s, rate), to_index(start_s + length_s, rate)
                yield start, sound[:, : stop - start]

        total = to_index(request.duration_s, rate)
        blocks = join(pieces(), total, to_index(self._overlap_s, rate))
        return FittedSound(SpooledSound(blocks, sample_rate=rate, channels=1), total)

    @torch.inference_mode()
    def _window(
        self,
        request: SoundRequest,
        box: Box,
        start_s: Fraction,
        length_s: Fraction,
        index: int,
        tell: Callable[[int], None],
    ) -> NDArray[np.float32]:
        network, steps = self._network, self._options.steps
        # The network keeps the sequence lengths as state, so they are set before each window.
        lengths = dataclasses.replace(network.lengths, duration=float(length_s))
        network.net.update_seq_lengths(lengths.latent_seq_len, lengths.clip_seq_len, lengths.sync_seq_len)
        # Segments of 16 pictures every 8 pictures: the last one needs 8 more.
        clip, sync = read_window(request.frames, box, start_s, lengths.clip_seq_len, lengths.sync_seq_len + 8)
        flow = _Flow(
            network.flow(min_sigma=0, inference_mode="euler", num_steps=steps),
            derive_seed("mmaudio", request.seed, index),
            lambda step: tell(index * steps + step),
        )
        # MMAudio prints, and standard output is for results.
        with contextlib.redirect_stdout(sys.stderr):
            sound = network.generate(
                clip if self._options.clip_picture else None,
                sync,
                [request.prompt.text],
                negative_text=[request.prompt.negative],
                feature_utils=network.features,
                net=network.net,
                fm=flow,
                rng=torch.Generator(network.device),
                cfg_strength=self._options.guidance,
            )
        return sound[0].float().cpu().numpy().reshape(1, -1)


class _Flow:
    """MMAudio's flow with the job's own noise, the same on every device, and a report of each step.

    MMAudio draws the noise on the device of the network or on the CPU, depending on its version.
    """

    def __init__(self, flow: Any, seed: int, tell: Callable[[int], None]) -> None:
        self._flow, self._seed, self._tell = flow, seed, tell

    def to_data(self, velocity: Velocity, x0: Tensor) -> Tensor:
        """Integrate from noise of the shape of `x0` to data."""
        # On the CPU: generators of other devices give other numbers for the same seed.
        noise = torch.randn(tuple(x0.shape), generator=torch.Generator().manual_seed(self._seed))
        taken = 0

        def counted(t: Tensor, x: Tensor) -> Tensor:
            nonlocal taken
            flow = velocity(t, x)
            taken += 1
            self._tell(taken)
            return flow

        return self._flow.to_data(counted, noise.to(x0.device, x0.dtype))

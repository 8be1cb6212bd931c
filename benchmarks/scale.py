"""A training step of the Fusion Blocks at the paper's size: tokens a second, memory, use of the device's peak.

On a GPU it is PAPER's model on one device, in bfloat16, between frozen backbones; clips are random numbers made there.
On a CPU only `--quick` runs, at a tiny size. Of AVLink's dependencies it needs torch, einops, jaxtyping and pydantic.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from avlink.core.architecture import PAPER, AVLinkConfig, DiTConfig, FusionConfig, VideoConfig
from avlink.core.recipe.stages import ParallelTable
from avlink.engine.avlink import AVLink, Fusion
from avlink.engine.flow.loss import flow_matching_loss
from avlink.engine.flow.path import sample_path
from avlink.engine.flow.schedule import logit_normal
from avlink.engine.nn.dit import AudioDiT, VideoDiT
from avlink.engine.text.encoder import TextEmbeddings
from avlink.engine.train.optim import EMA, OptimConfig, Optimiser
from avlink.engine.train.parallel import Learner
from avlink.engine.train.ranks import Ranks
from benchmarks.figure import Figure, Wanted

_PEAKS = {"H200": 989e12, "H100 PCIe": 756e12, "H100": 989e12, "A100": 312e12}
"""Dense bfloat16 products a second, by what the device's name contains (NVIDIA's data sheets)."""
_WORDS = 64

_TINY = AVLinkConfig(
    audio=DiTConfig(dim=64, depth=2, heads=2),
    video=DiTConfig(dim=64, depth=2, heads=2),
    picture=VideoConfig(patch=(1, 12, 16)),
    fusion=FusionConfig(dim=64, heads=2, blocks=2),
)


class _Step:
    """V2A as `FusionStage` trains it, on random clips."""

    name = "fusion_v2a"
    frozen: tuple[nn.Module, ...] = ()

    def __init__(self, config: AVLinkConfig, batch: int, device: torch.device) -> None:
        torch.manual_seed(0)
        text = config.text.dim
        with device:
            self.audio = AudioDiT(config.audio, config.vae.latent_channels, text)
            self.video = VideoDiT(config.video, config.picture, text)
            fusion = Fusion(config, "audio")
        for module in (self.audio, self.video, fusion):
            _stir(module)
        self.model = AVLink(config, audio=self.audio, video=self.video, fusion=fusion)
        self.trained: dict[str, nn.Module] = {self.name: fusion}
        self.batch, self.num_clips, self.device = batch, batch, device
        picture = config.picture
        shape = (batch, picture.frames, 3, picture.height, picture.width)
        self.pixels = torch.rand(shape, device=device) * 2 - 1
        self.latents = torch.randn(batch, config.window_tokens, config.vae.latent_channels, device=device)
        words = torch.randn(batch, _WORDS, text, device=device)
        self.text = TextEmbeddings(tokens=words, mask=torch.ones(batch, _WORDS, dtype=torch.bool, device=device))
        pt, ph, pw = picture.patch
        video_tokens = (picture.frames // pt) * (picture.height // ph) * (picture.width // pw)
        self.tokens = batch * (config.window_tokens + video_tokens)

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        t_a = logit_normal(self.batch, location=-1.0, scale=1.0, generator=generator).to(self.device)
        t_v = torch.full((self.batch,), 0.96, device=self.device)
        audio = sample_path(torch.randn_like(self.latents), self.latents, t_a)
        video = sample_path(torch.randn_like(self.pixels), self.pixels, t_v)
        out = self.model("audio", audio.x_t, video.x_t, t_a=t_a, t_v=t_v, text_a=self.text, text_v=self.text).audio
        assert out is not None
        return {"total": flow_matching_loss(out, audio)}

    def validate(self) -> dict[str, float]:
        return {}


def _stir(module: nn.Module) -> None:
    """Zeros of a fresh model would let gradients end early; numbers take as long, whatever they are."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.device.type != "meta" and not parameter.any():
                parameter.normal_(std=0.02)


@dataclass(frozen=True, slots=True)
class _Measured:
    seconds: float
    bytes: int
    tokens: int
    flops: int


def measure(wanted: Wanted) -> list[Figure]:
    """One step as it is, then with blocks recomputed, compiled, and both, at two batches."""
    cuda = torch.cuda.is_available()
    if not cuda and not wanted.quick:
        print("scale: no GPU here; at the paper's size this takes one. --quick runs it tiny", file=sys.stderr)
        return []
    device = torch.device("cuda" if cuda else "cpu")
    config = _TINY if wanted.quick else PAPER
    size = "tiny size" if wanted.quick else f"paper size, {torch.cuda.get_device_name()}"
    peak, known = _peak(device)
    figures = [Figure(name=f"peak of the device, {known}", value=peak / 1e12, unit="TFLOP/s")]
    batches = (1, 2) if wanted.quick else (1, 4, 16)
    base: dict[int, _Measured | None] = {}
    for batch in batches:
        for table in _tables(wanted.quick):
            run = _measured(config, batch, device, table)
            if not (table.activation_checkpointing or table.compile):
                base[batch] = run
            if run is None:
                print(f"scale: batch {batch}, {_words(table)}: not enough memory", file=sys.stderr)
                continue
            # A machine that is paid by the minute may end before the table is printed.
            print(f"scale: batch {batch}, {_words(table)}: {run.tokens / run.seconds:.0f} tokens/s", file=sys.stderr)
            figures += _figures(f"fusion step, {size}, batch {batch}, {_words(table)}", run, base[batch], peak)
    return figures


def _tables(quick: bool) -> list[ParallelTable]:
    tables = [ParallelTable(), ParallelTable(activation_checkpointing=True)]
    # Compiling tiny blocks takes longer than all else, and shows nothing.
    more = [ParallelTable(compile=True), ParallelTable(activation_checkpointing=True, compile=True)]
    return tables if quick else [*tables, *more]


def _words(table: ParallelTable) -> str:
    words = [word for word, on in (("recomputed", table.activation_checkpointing), ("compiled", table.compile)) if on]
    return " and ".join(words) or "plain"


def _figures(name: str, run: _Measured, plain: _Measured | None, peak: float) -> list[Figure]:
    def figure(what: str, unit: str, of: Callable[[_Measured], float]) -> Figure:
        baseline = None if plain is None or plain is run else of(plain)
        return Figure(name=f"{name}: {what}", value=of(run), unit=unit, baseline=baseline, baseline_name="plain")

    figures = [
        figure("tokens", "tokens/s", lambda m: m.tokens / m.seconds),
        figure("model FLOPs utilisation", "%", lambda m: 100 * m.flops / m.seconds / peak),
    ]
    return [*figures, figure("peak memory", "GiB", lambda m: m.bytes / 2**30)] if run.bytes else figures


def _measured(config: AVLinkConfig, batch: int, device: torch.device, table: ParallelTable) -> _Measured | None:
    """A few steps after two to warm up; None where they do not fit into memory."""
    try:
        flops = batch * _flops(config)
        step = _Step(config, batch, device)
        around = (step.audio, step.video)
        learner = Learner(
            step, frozen_modules=around, parallel=table, bf16=device.type == "cuda", ranks=Ranks(device=device)
        )
        named = learner.named_parameters()
        optimiser, ema = Optimiser(named, OptimConfig(lr=3e-4), 1000), EMA(named, 0.9999)

        def once(number: int) -> None:
            generator = torch.Generator().manual_seed(number)
            learner.forward(list(range(batch)), generator)["total"].backward()
            optimiser.clip_gradients()
            optimiser.step(number)
            ema.update(number)

        once(0)
        once(1)
        _wait(device)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        count = 2 if device.type == "cpu" else 5
        began = time.perf_counter()
        for number in range(count):
            once(2 + number)
        _wait(device)
        seconds = (time.perf_counter() - began) / count
    except torch.OutOfMemoryError:
        return None
    finally:
        if device.type == "cuda":
            torch.cuda.empty_cache()
    used = torch.cuda.max_memory_allocated() if device.type == "cuda" else 0
    return _Measured(seconds, used, step.tokens, flops)


@cache
def _flops(config: AVLinkConfig) -> int:
    """Of one clip's forward and backward pass without recomputing: what the model needs, however it is trained.

    Counted on the meta device, where nothing is computed or kept.
    """
    step = _Step(config, 1, torch.device("meta"))
    for module in (step.audio, step.video):
        module.requires_grad_(False)
    counter = FlopCounterMode(display=False)
    with counter:
        step.loss([0], torch.Generator())["total"].backward()  # type: ignore[no-untyped-call]
    return int(counter.get_total_flops())


def _peak(device: torch.device) -> tuple[float, str]:
    """Products a second at best, and where that number is from."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name()
        for part, peak in _PEAKS.items():
            if all(word in name for word in part.split()):
                return peak, f"{name} by its data sheet"
    size = 8192 if device.type == "cuda" else 512
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    best = 0.0
    for _ in range(5):
        _wait(device)
        began = time.perf_counter()
        for _ in range(4):
            a @ b
        _wait(device)
        best = max(best, 4 * 2 * size**3 / (time.perf_counter() - began))
    return best, f"a product of {size}x{size} matrices"


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()

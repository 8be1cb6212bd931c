"""MMAudio's stand-in on the path, with weights of its own in the places where MMAudio's would be."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avlink.core.values import Frames, Prompt, SoundRequest

ROOT = Path(__file__).parents[3]
STANDIN = Path(__file__).parent / "standin"
RATE = Fraction(25)


def put_in_hub(hub: Path, repository: str, *names: str) -> None:
    """As Hugging Face's library keeps files: large ones by the digest of their content, and links to them."""
    place = hub / f"models--{repository.replace('/', '--')}"
    for folder in ("refs", "blobs", "snapshots/abc"):
        (place / folder).mkdir(parents=True, exist_ok=True)
    (place / "refs" / "main").write_text("abc")
    for index, name in enumerate(names):
        blob = place / "blobs" / f"{index:064x}"
        blob.write_bytes(name.encode())
        (place / "snapshots" / "abc" / name).symlink_to(f"../../blobs/{blob.name}")


@pytest.fixture(scope="session")
def standin() -> Iterator[Path]:
    """The stand-in can be imported."""
    sys.path.insert(0, str(STANDIN))
    yield STANDIN
    sys.path.remove(str(STANDIN))
    for name in [name for name in sys.modules if name.split(".")[0] == "mmaudio"]:
        del sys.modules[name]


@pytest.fixture(scope="session")
def weights(standin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out as MMAudio's, with weights of the stand-in for two variants, and `hub` in it."""
    import torch
    from mmaudio.model.networks import get_my_mmaudio

    folder = tmp_path_factory.mktemp("MMAudio")
    (folder / "weights").mkdir()
    (folder / "ext_weights").mkdir()
    for variant in ("small_16k", "large_44k_v2"):
        net = get_my_mmaudio(variant)
        state = net.state_dict() | {"latent_rot": torch.zeros(1)}
        state["latent_mean"], state["latent_std"] = torch.zeros(net.latent_mean.shape), torch.ones(net.latent_std.shape)
        torch.save(state, folder / "weights" / f"mmaudio_{variant}.pth")
    for name in ("v1-16.pth", "v1-44.pth", "best_netG.pt", "synchformer_state_dict.pth"):
        torch.save({}, folder / "ext_weights" / name)
    put_in_hub(folder / "hub", "apple/DFN5B-CLIP-ViT-H-14-384", "open_clip_config.json", "open_clip_pytorch_model.bin")
    put_in_hub(folder / "hub", "nvidia/bigvgan_v2_44khz_128band_512x", "config.json", "bigvgan_generator.pt")
    return folder


@pytest.fixture
def options(weights: Path) -> Callable[..., Any]:
    """`options(steps=3)`: the stand-in's weights, in few steps."""
    from avlink_mmaudio.options import MMAudioOptions

    def of(**chosen: object) -> MMAudioOptions:
        given = {"weights": str(weights), "hub": str(weights / "hub"), "published": False, "steps": 2}
        return MMAudioOptions.model_validate({**given, "precision": "float32", **chosen})

    return of


def flashes(seconds: float, at_s: tuple[float, ...], *, height: int = 384, width: int = 680) -> Frames:
    """Dark grey, and white for a fifth of a second at each of `at_s`."""
    pixels = np.full((round(seconds * RATE), height, width, 3), 20, np.uint8)
    for moment in at_s:
        pixels[round(moment * RATE) : round((moment + 0.2) * RATE)] = 255
    return Frames(pixels=pixels, rate=RATE)


class Film:
    """Frames of any length in no memory (a `FrameSource`): dark, and white in the first fifth of every second."""

    rate, height, width = RATE, 384, 680

    def __init__(self, seconds: float, seen: list[int] | None = None) -> None:
        self.num_frames, self.seen = round(seconds * RATE), seen

    def read(self, start: int, stop: int) -> np.ndarray:
        start, stop, _ = slice(start, stop).indices(self.num_frames)
        if self.seen is not None:
            self.seen.append(stop - start)
        bright = np.where(np.arange(start, stop) % 25 < 5, 255, 20).astype(np.uint8)
        return np.broadcast_to(bright[:, None, None, None], (stop - start, self.height, self.width, 3))


def ask(frames: Any, *, text: str = "", negative: str = "", seed: int = 1, seconds: Fraction | None = None):
    duration_s = frames.num_frames / frames.rate if seconds is None else seconds
    return SoundRequest(frames=frames, duration_s=duration_s, prompt=Prompt(text=text, negative=negative), seed=seed)


class Kit:
    """The builders above, for test modules: they cannot import this one."""

    flashes, ask, Film, put_in_hub = staticmethod(flashes), staticmethod(ask), Film, staticmethod(put_in_hub)


@pytest.fixture(scope="session")
def kit() -> type[Kit]:
    return Kit


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`program("sonify", ...)` as a process of its own, in which the plugin is installed, and MMAudio if asked."""
    site = tmp_path / "site"
    info = site / "of_the_test-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: of-the-test\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[avlink]\nof_the_test = avlink_mmaudio.plugin\n")

    def run(*arguments: object, mmaudio: bool = True, **extra: str) -> subprocess.CompletedProcess[str]:
        paths = [site, ROOT, ROOT / "plugins", ROOT / "otio_adapters", *([STANDIN] if mmaudio else [])]
        env = {"PYTHONPATH": os.pathsep.join(map(str, paths)), "AVLINK_PLUGINS": "of_the_test,avlink_post", **extra}
        return subprocess.run(
            [sys.executable, "-m", "avlink", *map(str, arguments)],
            env={**os.environ, **env},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run

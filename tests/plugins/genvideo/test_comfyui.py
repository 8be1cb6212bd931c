"""The node as ComfyUI's executor sees it: loaded by its path, asked for its inputs, checked, called, and its answer."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import avlink_genvideo
import numpy as np
import pytest
import torch
from avlink_genvideo import library

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from avlink import session as surroundings
from avlink import testing

FOLDER = Path(avlink_genvideo.__file__).parent / "comfyui"
TYPES = {"IMAGE", "AUDIO", "FLOAT", "INT", "STRING", "BOOLEAN"}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Any]:
    """The class, loaded as ComfyUI loads a folder in custom_nodes: by path, under a name made of that."""
    place = tmp_path / "custom_nodes" / "avlink-foley"
    shutil.copytree(FOLDER, place, ignore=shutil.ignore_patterns("__pycache__"))
    name = str(place).replace(".", "_x_")
    spec = importlib.util.spec_from_file_location(name, place / "__init__.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    assert set(module.NODE_CLASS_MAPPINGS) == set(module.NODE_DISPLAY_NAME_MAPPINGS)
    yield module.NODE_CLASS_MAPPINGS["AVLinkFoley"]
    for loaded in [loaded for loaded in sys.modules if loaded.startswith(name)]:
        del sys.modules[loaded]


def execute(node: Any, **given: Any) -> dict[str, Any]:
    """Do as the executor does: fill in defaults, check types and ranges, validate, call FUNCTION."""
    declared = node.INPUT_TYPES()
    inputs = {**declared["required"], **declared.get("optional", {})}
    assert set(given) <= set(inputs)
    values = {}
    for name, (kind, *options) in inputs.items():
        extra = options[0] if options else {}
        if name not in given and name in declared["required"] and "default" not in extra:
            raise ValueError(f"Required input is missing: {name}")
        values[name] = given.get(name, extra.get("default"))
        if isinstance(kind, list):
            assert values[name] in kind
        elif kind in ("INT", "FLOAT"):
            values[name] = int(values[name]) if kind == "INT" else float(values[name])
    checked = node.VALIDATE_INPUTS(**{name: values[name] for name in ("fps", "loudness", "model")})
    if checked is not True:
        raise ValueError(checked)
    result = getattr(node(), node.FUNCTION)(**values)
    assert isinstance(result, tuple) and len(result) == len(node.RETURN_TYPES) == len(node.RETURN_NAMES)
    (audio,) = result
    assert set(audio) == {"waveform", "sample_rate"}
    return audio


@pytest.fixture
def tone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    library._shared.cache_clear()
    monkeypatch.setattr(surroundings, "load_registry", testing.fake_registry)
    made = lambda **options: library.Finisher(  # noqa: E731
        **{**options, "settings": ("backend.name=tone", "stems.post=[]"), "device": "cpu"}
    )
    monkeypatch.setattr(library, "get_finisher", made)
    yield
    library._shared.cache_clear()


def images(kit: Any, count: int = 12) -> torch.Tensor:
    """An IMAGE batch: float from 0 to 1, of shape (B, H, W, C)."""
    return torch.from_numpy(kit.strokes(count)).float() / 255


def test_what_it_declares_is_what_comfyui_knows(node: Any) -> None:
    declared = node.INPUT_TYPES()
    assert set(declared) <= {"required", "optional", "hidden"}
    assert declared["required"]["images"][0] == "IMAGE"
    for kind, *options in [*declared["required"].values(), *declared["optional"].values()]:
        assert options[0]["default"] in kind if isinstance(kind, list) else kind in TYPES
        extra = options[0] if options else {}
        if kind in ("INT", "FLOAT"):
            assert extra["min"] <= extra["default"] <= extra["max"]
    assert node.RETURN_TYPES == ("AUDIO",) and callable(getattr(node, node.FUNCTION))
    assert isinstance(node.CATEGORY, str) and node.CATEGORY


@pytest.mark.usefixtures("tone")
def test_an_image_batch_becomes_audio_as_long(node: Any, kit: Any) -> None:
    audio = execute(node, images=images(kit), fps=16.0, prompt="rain", seed=5)
    wave = audio["waveform"]
    assert wave.dtype == torch.float32 and wave.ndim == 3 and wave.shape[0] == 1
    assert (tuple(wave.shape[1:]), audio["sample_rate"]) == ((2, 36000), 48000)
    assert torch.isfinite(wave).all() and wave.abs().max() <= 1
    # The executor caches by inputs: the same ones must give the same.
    assert torch.equal(wave, execute(node, images=images(kit), fps=16, prompt="rain", seed=5)["waveform"])
    assert not torch.equal(wave, execute(node, images=images(kit), fps=16, prompt="rain", seed=6)["waveform"])


@pytest.mark.usefixtures("tone")
@pytest.mark.parametrize("seed", [0, 2**63 - 1, 2**63, 2**64 - 1])
def test_every_seed_of_comfyui_is_one(node: Any, kit: Any, seed: int) -> None:
    assert execute(node, images=images(kit, 4), fps=16, prompt="", seed=seed)["waveform"].shape[-1] == 12000


@pytest.mark.usefixtures("tone")
def test_transparent_images_and_untouched_loudness(node: Any, kit: Any) -> None:
    batch = torch.cat([images(kit), torch.ones(12, 48, 64, 1)], dim=3)
    audio = execute(node, images=batch, fps=16, prompt="", seed=0, loudness=0.0)
    assert audio["waveform"].abs().max() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"fps": 0.0}, "must be above 0"),
        ({"loudness": 5.0}, "from -70 to 0"),
        ({"model": "nowhere"}, "no model 'nowhere'"),
    ],
)
def test_wrong_values_are_a_sentence_before_anything_runs(node: Any, values: dict[str, Any], words: str) -> None:
    said = node.VALIDATE_INPUTS(**values)
    assert isinstance(said, str) and words in said
    # What comes from another node is not known yet.
    assert node.VALIDATE_INPUTS() is True


def test_it_runs_anew_only_when_the_model_changes(node: Any) -> None:
    one, two = node.IS_CHANGED(fps=16, prompt="a", model="builtin"), node.IS_CHANGED(fps=16, prompt="b")
    assert one == two and one == one and isinstance(one, str) and one


@pytest.mark.usefixtures("tone")
def test_the_bar_moves_and_the_stop_button_stops(node: Any, kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[tuple[int, int]] = []

    class ProgressBar:
        def __init__(self, total: int) -> None:
            self.total = total

        def update_absolute(self, value: int, total: int) -> None:
            moved.append((value, total))

    class Interrupted(Exception):
        pass

    comfy, management, utils = (types.ModuleType(name) for name in ("comfy", "comfy.model_management", "comfy.utils"))
    pressed: list[bool] = []

    def check() -> None:
        if pressed:
            raise Interrupted

    management.throw_exception_if_processing_interrupted = check  # type: ignore[attr-defined]
    utils.ProgressBar = ProgressBar  # type: ignore[attr-defined]
    for module in (comfy, management, utils):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    execute(node, images=images(kit, 4), fps=16, prompt="", seed=0)
    assert moved == [(1, 2), (2, 2)]
    pressed.append(True)
    with pytest.raises(Interrupted):
        execute(node, images=images(kit, 4), fps=16, prompt="", seed=0)


def test_loading_the_folder_imports_nothing_heavy() -> None:
    code = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('custom', r'{FOLDER / '__init__.py'}')\n"
        "module = importlib.util.module_from_spec(spec); sys.modules['custom'] = module\n"
        "spec.loader.exec_module(module); module.NODE_CLASS_MAPPINGS['AVLinkFoley'].INPUT_TYPES()\n"
        "print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numpy", "av", "avlink"} & set(loaded)


def test_its_pyproject_says_what_the_registry_asks_for() -> None:
    table = tomllib.loads((FOLDER / "pyproject.toml").read_text(encoding="utf-8"))
    project = table["project"]
    assert "comfyui" not in project["name"].lower() and project["version"].count(".") == 2
    assert project["license"] == {"text": "Apache-2.0"} and project["description"]
    assert set(table["tool"]["comfy"]) == {"PublisherId", "DisplayName", "Icon"}
    assert np.all([name.startswith("avlink") for name in project["dependencies"]])

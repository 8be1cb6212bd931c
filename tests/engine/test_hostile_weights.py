"""Checkpoints and bundles that are damaged or lead nowhere: a sentence that names the file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from avlink import find_bundle
from avlink.core.errors import BundleError
from avlink.engine.bundle import load_system, read_bundle
from avlink.engine.public.checkpoint import read_checkpoint


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return Path(shutil.copytree(find_bundle("builtin"), tmp_path / "bundle"))


def test_a_checkpoint_that_holds_itself_ends_with_a_sentence(tmp_path: Path) -> None:
    endless: dict[str, Any] = {"epoch": 1}
    endless["state_dict"] = endless
    torch.save(endless, tmp_path / "a.ckpt")
    other: dict[str, Any] = {"model": endless}
    endless["state_dict"] = other
    torch.save(other, tmp_path / "b.pt")
    for name in ("a.ckpt", "b.pt"):
        with pytest.raises(BundleError, match=rf"{name} holds no tensors by name"):
            read_checkpoint(tmp_path / name)


def test_wrappers_in_wrappers_are_opened(tmp_path: Path) -> None:
    torch.save({"state_dict": {"model": {"generator": {"a.weight": torch.ones(2)}}}}, tmp_path / "a.pt")
    assert list(read_checkpoint(tmp_path / "a.pt").tensors) == ["a.weight"]


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".bin", ".safetensors"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x02",
        b"\x80\x02}q\x00.",
        b"PK\x03\x04" + bytes(40),
        b"\xff" * 64,
        b"\x08\0\0\0\0\0\0\0" + b'{"a": 1}',
        b"\xff\xff\xff\xff\xff\xff\xff\x7f{}",
        b"\x02\0\0\0\0\0\0\0{}",
        b'\x34\0\0\0\0\0\0\0{"a":{"dtype":"X9","shape":[1],"data_offsets":[0,4]}}' + bytes(4),
    ],
)
def test_damaged_checkpoints_are_told(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(BundleError) as told:
        read_checkpoint(path)
    assert str(path) in str(told.value) and "\n" not in str(told.value)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("seed", range(12))
def test_any_damage_is_told_or_read(tmp_path: Path, suffix: str, seed: int) -> None:
    from safetensors.torch import save_file

    path, tensors = tmp_path / f"a{suffix}", {"a.weight": torch.arange(6.0), "b.weight": torch.ones(2, 2)}
    save_file(tensors, path) if suffix == ".safetensors" else torch.save(tensors, path)
    data = bytearray(path.read_bytes())
    for step in range(4):
        data[(seed * 7919 + step * 104729) % len(data)] ^= 0x2A + step
    path.write_bytes(data[: len(data) - seed % 3 * 40])
    try:
        read_checkpoint(path)
    except BundleError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize(
    "table", [None, [], 5, "x", {"a": None}, {"a": {"shard": 1, "shape": [], "digest": ""}}, {"a": {"shard": "w"}}]
)
def test_a_table_of_tensors_that_is_none_is_told(bundle: Path, table: Any) -> None:
    (bundle / "tensors.json").write_text(json.dumps(table))
    with pytest.raises(BundleError, match=r"tensors\.json is no table of tensors"):
        read_bundle(bundle)


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("tensors.json", "[" * 10_000, "more than 32 of at most 32 levels"),
        ("tensors.json", "{", r"tensors\.json is no JSON"),
        ("bundle.toml", "x = " + "[" * 10_000, "more than 32 of at most 32 levels"),
        (
            "bundle.toml",
            "format = 1\nmodel = 5\nname = 1\nlicence = 1\ndescription = 1\ntraining = 1\n",
            "cannot be read",
        ),
        ("bundle.toml", "format = " + "9" * 5000, "digits of a whole number"),
    ],
)
def test_damaged_tables_are_told(bundle: Path, name: str, content: str, words: str) -> None:
    (bundle / name).write_text(content)
    with pytest.raises(BundleError, match=words):
        read_bundle(bundle)


def test_a_shard_that_is_none_is_told(bundle: Path) -> None:
    shard = next(bundle.glob("weights-*.safetensors"))
    shard.write_bytes(b"\xff" * 100)
    with pytest.raises(BundleError, match=rf"{shard.name} is broken \(.*\); copy the whole bundle again"):
        load_system(read_bundle(bundle))

"""Model bundles: a folder of `bundle.toml`, `tensors.json`, safetensors shards and a card.

An external text encoder lies in the folder `text`, in the format of transformers. Nothing is unpickled. The name, shape
and digest of every tensor, and the digest of every file in `text`, is checked before it is used.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from avlink.core.architecture import COMPONENTS, AVLinkConfig
from avlink.core.bundles import bundle_table
from avlink.core.disk import report_full_disk
from avlink.core.documents import parse_json
from avlink.core.errors import BundleError
from avlink.core.input_files import describe, read_text
from avlink.core.limits import TABLE_BYTES
from avlink.core.paths import atomic_write, make_folder, write_text
from avlink.core.recipe.history import conditioning_of, sound_of
from avlink.core.recipe.stages import Conditioning
from avlink.core.sampling import SampleConfig
from avlink.engine.system import System
from avlink.engine.text.t5 import T5Encoder

FORMAT = 1
SHARD_BYTES = 15 * 2**20
"""Shards stay below 16 MiB, so that repositories with limits on the size of a file take them."""
_TEXT_FOLDER = "text"
V2A = (
    *("vae", "vocoder", "audio_text", "audio", "video_text", "video", "motion", "controller"),
    *("fusion_v2a", "fusion", "fusion_hits", "readout"),
)
A2V = ("vae", "audio_text", "audio", "video_text", "video", "fusion_a2v", "fusion")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """The tables of a bundle: everything but its weights."""

    folder: Path
    name: str
    licence: str
    description: str
    config: AVLinkConfig
    training: dict[str, Any]
    tensors: dict[str, dict[str, Any]]
    text: dict[str, str] | None = None
    """Files of its external text encoder with their digests; None if it has none."""

    @property
    def conditioning(self) -> Conditioning:
        """The flow times of the conditioning side that it was trained for; the paper's if it does not tell."""
        return conditioning_of(self.training)

    @property
    def sound(self) -> SampleConfig:
        """Settings of sound for pictures: its own steps and guidance if a reflow trained its Fusion Blocks last."""
        return sound_of(self.training)

    @property
    def components(self) -> tuple[str, ...]:
        """The components that it has weights for."""
        return tuple(name for name in COMPONENTS if any(key.startswith(f"{name}.") for key in self.tensors))


def tensor_digest(tensor: Tensor) -> str:
    """Return the BLAKE2b digest of a tensor's bytes."""
    # The tensor's own memory, which is not copied.
    raw = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data
    return hashlib.blake2b(raw, digest_size=16).hexdigest()


def write_bundle(
    folder: Path,
    config: AVLinkConfig,
    parts: Mapping[str, nn.Module],
    *,
    name: str,
    licence: str,
    description: str,
    training: dict[str, Any],
    dtype: torch.dtype = torch.float16,
    shard_bytes: int = SHARD_BYTES,
    text: T5Encoder | None = None,
) -> None:
    """Write components as a bundle, without its card.

    Weights are stored in `dtype` and run in fp32; half precision does not change onset F1. A folder that this makes is
    removed if it cannot be filled. Raises OutputError, DiskFull where there is no space.
    """
    table: dict[str, Any] = {
        "format": FORMAT,
        "name": name,
        "licence": licence,
        "description": description,
        "model": config.model_dump(mode="json", exclude_none=True),
        "training": training,
    }
    fresh = not folder.exists()
    make_folder(folder)
    try:
        _write_files(folder, parts, table, dtype=dtype, shard_bytes=shard_bytes, text=text)
    except BaseException:
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _write_files(
    folder: Path,
    parts: Mapping[str, nn.Module],
    table: dict[str, Any],
    *,
    dtype: torch.dtype,
    shard_bytes: int,
    text: T5Encoder | None,
) -> None:
    shards: list[dict[str, Tensor]] = [{}]
    size = 0
    index: dict[str, dict[str, Any]] = {}
    for part, module in parts.items():
        for key, value in module.state_dict().items():
            # clone: safetensors refuses tensors that share memory.
            stored = value.detach().to(dtype).contiguous().clone() if value.is_floating_point() else value.clone()
            if size and size + stored.nbytes > shard_bytes:
                shards.append({})
                size = 0
            shards[-1][f"{part}.{key}"] = stored
            size += stored.nbytes
            index[f"{part}.{key}"] = {
                "shard": f"weights-{len(shards):02d}.safetensors",
                "shape": list(stored.shape),
                "digest": tensor_digest(stored),
            }
    for number, shard in enumerate(shards, start=1):
        with atomic_write(folder / f"weights-{number:02d}.safetensors") as path:
            save_file(shard, path)
            path.chmod(0o644)  # safetensors makes files that only their owner may read
    write_text(folder / "tensors.json", json.dumps(index, indent=0, sort_keys=True) + "\n")
    files = {} if text is None else {"text": {"files": save_text_encoder(text, folder)}}
    write_text(folder / "bundle.toml", tomli_w.dumps({**table, **files}))


def read_bundle(folder: Path) -> Bundle:
    """Read the tables of the bundle in `folder`.

    Raises BundleError if something is missing, unreadable or of another format.
    """
    table = bundle_table(folder)
    if table.get("format") != FORMAT:
        raise BundleError(
            f"the bundle {folder} has format {table.get('format')!r}; this avlink reads format {FORMAT}: "
            "use the version of avlink that wrote it"
        )
    index = folder / "tensors.json"
    try:
        tensors = _index(index)
        # Through JSON, whose lists pydantic's strict mode takes as tuples; TOML's lists it refuses.
        config = AVLinkConfig.model_validate_json(json.dumps(table["model"]))
        return Bundle(
            folder=folder,
            name=str(table["name"]),
            licence=str(table["licence"]),
            description=str(table["description"]),
            config=config,
            training=dict(table["training"]),
            tensors=tensors,
            text=None if "text" not in table else dict(table["text"]["files"]),
        )
    except BundleError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        first = str(error).splitlines()[0]
        raise BundleError(f"the bundle {folder} cannot be read: {first}; copy the whole folder again") from None


def _index(path: Path) -> dict[str, dict[str, Any]]:
    """Return the table of tensors of a bundle. Raises BundleError where it is missing or no such table."""
    if not path.exists():
        raise BundleError(f"the bundle {path.parent} has no tensors.json; copy the whole folder again")
    table = parse_json(read_text(path, TABLE_BYTES, BundleError), path, BundleError)
    if not isinstance(table, dict) or not all(_is_entry(entry) for entry in table.values()):
        raise BundleError(
            f"{path} is no table of tensors with a shard, a shape and a digest for each; copy the whole bundle again"
        )
    return table


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in ("shard", "digest")):
        return False
    shape = entry.get("shape")
    return isinstance(shape, list) and all(isinstance(size, int) for size in shape)


def load_system(bundle: Bundle, components: Iterable[str] | None = None, device: str = "cpu") -> System:
    """Return the system of `bundle` in fp32 on `device`, with the weights of `components` (default: all) loaded.

    The other components hold zeros. Raises BundleError naming the first shard or tensor that is
    missing or altered.
    """
    with _Undrawn():
        system = System(bundle.config).requires_grad_(False).eval()
    wanted = set(components) if components is not None else set(system.components())
    for part in (part for name, part in system.components().items() if name not in wanted):
        for parameter in part.parameters():
            parameter.zero_()
    # To fp32 as they are loaded, which holds every half-precision value exactly.
    load_into({name: part for name, part in system.components().items() if name in wanted}, bundle)
    if bundle.config.text.kind == "t5":
        system.external_text = load_text_encoder(bundle.folder, bundle.text, device, bundle.config.text.max_length)
    return system.to(device)


_DRAWS = (Tensor.uniform_, Tensor.normal_, nn.init.uniform_, nn.init.normal_, nn.init.kaiming_uniform_)


class _Undrawn(TorchFunctionMode):
    """Leave out the random numbers of new parameters, which stored weights replace: half the time of loading."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        # The initialisers are asked as a whole: within them this mode is off.
        return (args[0] if args else given["tensor"]) if func in _DRAWS else func(*args, **given)


def load_into(parts: Mapping[str, nn.Module], bundle: Bundle, *, partly: Collection[str] = ()) -> None:
    """Load the weights of `bundle` into components, by name; every tensor is checked.

    In components of `partly`, tensors that the bundle lacks or has in another shape stay as they are. Raises
    BundleError naming the first shard or tensor that is missing or altered.
    """
    with ExitStack() as open_files:
        shards: dict[str, _Shard] = {}

        def shard(name: str) -> _Shard:
            if name not in shards:
                shards[name] = _Shard(open_files.enter_context(_open_shard(bundle, name)))
            return shards[name]

        for name, module in parts.items():
            state = module.state_dict()
            for key, value in state.items():
                stored = bundle.tensors.get(f"{name}.{key}", {}).get("shape")
                if name in partly and stored != list(value.shape):
                    continue
                state[key] = _tensor(bundle, f"{name}.{key}", value, shard).to(value.dtype)
            module.load_state_dict(state)


def save_text_encoder(encoder: T5Encoder, bundle: Path) -> dict[str, str]:
    """Write `encoder` into the folder of a bundle; returns its files with their digests."""
    partial, folder = bundle / f".{_TEXT_FOLDER}.part", bundle / _TEXT_FOLDER
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with report_full_disk(bundle):
            partial.mkdir()
            encoder.save(partial)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return {path.name: _file_digest(path) for path in sorted(folder.iterdir())}


def load_text_encoder(bundle: Path, files: Mapping[str, str] | None, device: str, max_length: int) -> T5Encoder | None:
    """Return the external text encoder of a bundle, or None if it has none.

    Raises BundleError if a file is missing or altered.
    """
    if files is None:
        return None
    for name, digest in files.items():
        path = bundle / _TEXT_FOLDER / Path(name).name
        if not path.is_file():
            raise BundleError(f"the bundle {bundle} lacks {_TEXT_FOLDER}/{name}; copy the whole folder again")
        if _file_digest(path) != digest:
            raise BundleError(
                f"{path} was altered: its digest is not the one in bundle.toml; copy the whole bundle again"
            )
    return T5Encoder(bundle / _TEXT_FOLDER, max_length=max_length, device=device)


class _Shard:
    """An open shard. Its memory is mapped: only the tensors that are asked for are read."""

    def __init__(self, file: Any) -> None:
        self._file = file
        # Once: each call lists all of them anew.
        self._names = frozenset(file.keys())

    def tensor(self, name: str) -> Tensor | None:
        """Return a tensor; None where the shard has none of that name."""
        found: Tensor | None = self._file.get_tensor(name) if name in self._names else None
        return found


def _open_shard(bundle: Bundle, name: str) -> Any:
    """Open the file of a shard. Raises BundleError."""
    path = bundle.folder / Path(name).name
    try:
        return safe_open(path, framework="pt")
    except FileNotFoundError:
        raise BundleError(f"the bundle {bundle.folder} lacks its shard {name}; copy the whole folder again") from None
    except Exception as error:
        # Nothing is done here but read the file: whatever the reader raises is the file's.
        raise BundleError(f"the shard {path} is broken ({describe(error)}); copy the whole bundle again") from None


def _tensor(bundle: Bundle, name: str, like: Tensor, open_shard: Callable[[str], _Shard]) -> Tensor:
    entry = bundle.tensors.get(name)
    if entry is None:
        raise BundleError(f"the bundle {bundle.folder} has no tensor '{name}', which its model needs; train it anew")
    shard = str(entry["shard"])
    tensor = open_shard(shard).tensor(name)
    if tensor is None or list(tensor.shape) != list(like.shape) or list(tensor.shape) != list(entry["shape"]):
        shape = "missing" if tensor is None else f"of shape {tuple(tensor.shape)} instead of {tuple(like.shape)}"
        raise BundleError(f"the tensor '{name}' in {bundle.folder / shard} is {shape}; copy the whole bundle again")
    if tensor_digest(tensor) != entry["digest"]:
        raise BundleError(
            f"the tensor '{name}' in {bundle.folder / shard} was altered: its digest is not the one in tensors.json; "
            "copy the whole bundle again"
        )
    return tensor


def _file_digest(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()

"""Weights of public networks: read without running code and loaded strictly by name and shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from avlink import BundleError, Store, cache_dir, digest, file_digest

if TYPE_CHECKING:
    from torch import Tensor, nn

AnyModule = TypeVar("AnyModule", bound="nn.Module")


def content_of(checkpoint: str) -> str:
    """Return a digest of the content of a checkpoint: a file, or all files of a folder of transformers."""
    path, store = Path(checkpoint), Store(cache_dir())
    if path.is_file():
        return file_digest(path, store)
    files = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
    return digest([[file.relative_to(path).as_posix(), file_digest(file, store)] for file in files])


class Shapes:
    """The tensors of a checkpoint, whose shapes determine the widths of the network."""

    def __init__(self, path: Path, tensors: Mapping[str, Tensor], what: str) -> None:
        self.path, self.tensors, self.what = path, tensors, what

    def of(self, name: str, dims: int) -> tuple[int, ...]:
        """Return the shape of a tensor with `dims` axes. Raises BundleError if it is missing or has another number."""
        found = self.tensors.get(name)
        if found is None:
            raise BundleError(f"'{self.path}' is no {self.what}: it has no '{name}'{self._instead()}")
        if found.ndim != dims:
            raise BundleError(f"'{self.path}' is no {self.what}: '{name}' has the shape {tuple(found.shape)}")
        return tuple(found.shape)

    def count(self, pattern: str) -> int:
        """Return the number of tensors of a pattern such as "blocks.{}.weight", counted from 0."""
        number = 0
        while pattern.format(number) in self.tensors:
            number += 1
        return number

    def _instead(self) -> str:
        some = ", ".join(list(self.tensors)[:3])
        return f" (it begins with {some})" if some else ""


def open_weights(checkpoint: str, what: str) -> Shapes:
    """Return the tensors of a file without wrappers and prefixes. Raises BundleError if it cannot be read."""
    from avlink import read_checkpoint

    found = read_checkpoint(Path(checkpoint))
    return Shapes(found.path, found.tensors, what)


def fill(module: AnyModule, shapes: Shapes, device: str, *, ignored: Iterable[str] = ()) -> AnyModule:
    """Load all tensors into a module, strictly; names that begin with one of `ignored` may be left over.

    The module is frozen, in single precision and in evaluation mode. Raises BundleError that names tensors that are
    missing, of another shape, or left over.
    """
    wanted = module.state_dict()
    # A counter of batch norms that inference does not use, and that old files lack.
    wanted = {key: value for key, value in wanted.items() if not key.endswith("num_batches_tracked")}
    found = {key: value for key, value in shapes.tensors.items() if not key.endswith("num_batches_tracked")}
    missing = [key for key in wanted if key not in found]
    over = [key for key in found if key not in wanted and not key.startswith(tuple(ignored))]
    other = [key for key in wanted if key in found and wanted[key].shape != found[key].shape]
    for words, keys in (("it lacks", missing), ("it has too much", over), ("of another shape is", other)):
        if keys:
            more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
            raise BundleError(f"'{shapes.path}' is no {shapes.what}: {words} {', '.join(keys[:3])}{more}")
    # Not strict only for the counters of batch norms, which were left out above.
    module.load_state_dict({key: found[key].float() for key in wanted}, strict=False)
    return module.eval().requires_grad_(False).to(device)

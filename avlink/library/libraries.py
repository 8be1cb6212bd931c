"""The services behind `avlink library`: add, update, list, check, remove, and what is known of a file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avlink.core.errors import LibraryError
from avlink.core.events import Listener
from avlink.core.input_files import check_name
from avlink.library.database import database_path, no_library
from avlink.library.embeddings import drop_old_matrices
from avlink.library.index import LibraryIndex, open_library_index
from avlink.library.locks import hold_library
from avlink.library.values import Library, Sound

if TYPE_CHECKING:
    from avlink.library.scan import ScanReport


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryCheck:
    """The state of a library's files, without reading them: paths below the root.

    `changed` and `gone` are measured against the index, `faults` are (path, sentence) of files that cannot be used.
    All are empty for a library whose folder is not there.
    """

    library: Library
    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    faults: tuple[tuple[str, str], ...] = ()

    @property
    def is_good(self) -> bool:
        """True if every sound of the index is there as it was read."""
        return self.library.is_online and not (self.changed or self.gone or self.faults)

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        root = self.library.root
        return {
            **self.library.to_json(),
            "changed": [str(root / name) for name in self.changed],
            "gone": [str(root / name) for name in self.gone],
            "faulty": [{"path": str(root / name), "reason": fault} for name, fault in self.faults],
        }


def add_library(folder: Path, name: str | None, listener: Listener, *, processes: int | None = None) -> ScanReport:
    """Add a folder of sounds under a name, by default its own, and read it.

    Raises LibraryError for a folder that is not there, is a file, is a library already, or lies in or around one; for a
    name that is taken; and the errors of `update_library`. A library whose reading stops is kept, to be updated.
    """
    from avlink.library.scan import update_library

    root = _checked_folder(folder)
    name = (root.name or "sounds") if name is None else name.strip()
    if not name:
        raise LibraryError("a sound library needs a name; give one by --name")
    with open_library_index(create=True) as index:
        for one in index.folders():
            _check_apart(one, root)
            if one.name.casefold() == name.casefold():
                raise LibraryError(f"there is a sound library '{one.name}' already, of {one.root}; give another --name")
        return update_library(index, index.add_library(name, root), listener, processes=processes)


def update_libraries(name: str | None, listener: Listener, *, processes: int | None = None) -> tuple[ScanReport, ...]:
    """Read what is new or changed in one library, or in all whose folders are there. See `update_library`."""
    from avlink.library.scan import update_library

    with open_library_index() as index:
        chosen = index.libraries() if name is None else (index.library(name),)
        online = chosen if name is not None else tuple(one for one in chosen if one.is_online)
        if not chosen:
            raise no_library()
        return tuple(update_library(index, one, listener, processes=processes) for one in online)


def list_libraries() -> tuple[Library, ...]:
    """Return all libraries by name; none where none was ever added."""
    if not database_path().is_file():
        return ()
    with open_library_index() as index:
        return index.libraries()


def remove_library(name: str) -> Library:
    """Remove a library from the index and return it. Its files stay as they are.

    Raises LibraryError for an unknown name, and where another process reads the library.
    """
    with open_library_index() as index:
        library = index.library(name)
        with hold_library(index, library):
            index.remove_library(library)
            drop_old_matrices(index)
        return library


def check_libraries() -> tuple[LibraryCheck, ...]:
    """Compare the files of all libraries with the index, by size and time. Raises LibraryError without a library."""
    with open_library_index() as index:
        known = index.libraries()
        if not known:
            raise no_library()
        return tuple(_check(index, one) for one in known)


def find_sound(path: Path) -> Sound:
    """Return a file of a library with all that is known of it.

    Raises LibraryError where it is in none, was not read yet, or cannot be used.
    """
    where = Path(os.path.abspath(path))
    with open_library_index() as index:
        for library in index.folders():
            for one in dict.fromkeys((where, _resolved(where))):
                if not one.is_relative_to(library.root):
                    continue
                name = one.relative_to(library.root).as_posix()
                found = index.sounds("s.library = ? AND s.name = ?", (library.id, name))
                if found:
                    return found[0]
                fault = dict(index.faults(library)).get(name)
                if fault is not None:
                    raise LibraryError(fault)
                raise LibraryError(
                    f"{path} is not in the index of the sound library '{library.name}'; if it is a sound, "
                    f"`avlink library update {library.name}` reads it"
                )
    raise LibraryError(f"{path} is in no sound library; add its folder by `avlink library add`")


def embedded_by(sound: Sound) -> tuple[str, ...]:
    """Return the names of the extractors that a sound has embeddings of."""
    with open_library_index() as index:
        return index.embedded_by(sound.digest)


def sound_state(sound: Sound) -> str:
    """Return "" for a sound that is there as it was read, else the reason why it is not, as a clause."""
    if not sound.root.is_dir():
        return "its library is offline"
    try:
        stat = sound.path.stat()
    except OSError:
        return "it is gone since it was read"
    same = (stat.st_size, stat.st_mtime_ns) == (sound.size_bytes, sound.mtime_ns)
    return "" if same else "it was changed since it was read"


def _check(index: LibraryIndex, library: Library) -> LibraryCheck:
    if not library.is_online:
        return LibraryCheck(library=library)
    changed, gone = [], []
    for name, record in index.records(library).items():
        try:
            stat = (library.root / name).stat()
        except OSError:
            gone.append(name)
            continue
        if not record.fault and (stat.st_size, stat.st_mtime_ns) != (record.size_bytes, record.mtime_ns):
            changed.append(name)
    return LibraryCheck(
        library=library, changed=tuple(sorted(changed)), gone=tuple(sorted(gone)), faults=index.faults(library)
    )


def _checked_folder(folder: Path) -> Path:
    """Return an absolute folder without links. Raises LibraryError."""
    check_name(folder)
    root = _resolved(folder.expanduser())
    if not root.exists():
        raise LibraryError(f"the folder {folder} does not exist; name a folder of sounds")
    if not root.is_dir():
        raise LibraryError(f"{folder} is a file; a sound library is a folder, so name the one that it lies in")
    return root


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:
        raise LibraryError(f"{path} cannot be looked at: {error}") from error


def _check_apart(library: Library, root: Path) -> None:
    if root == library.root:
        raise LibraryError(
            f"{root} is the sound library '{library.name}' already; `avlink library update {library.name}` reads what "
            "is new in it"
        )
    if root.is_relative_to(library.root):
        raise LibraryError(
            f"{root} lies in the sound library '{library.name}' ({library.root}), which has its sounds already; name "
            "another folder"
        )
    if library.root.is_relative_to(root):
        raise LibraryError(
            f"{root} contains the sound library '{library.name}' ({library.root}), whose sounds would be in two; name "
            f"another folder, or first `avlink library remove {library.name}`"
        )

"""Reading one sound file: its content, description and analysis, or the reason why it cannot be used."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from avlink.core.errors import InputError, LibraryError, MediaChanged, OutputError
from avlink.core.file_digest import file_identity
from avlink.core.hashing import content_digest
from avlink.core.input_files import faults_of
from avlink.library.analyse import analyse_file
from avlink.library.describe import describe
from avlink.library.index import FileRecord, open_library_index
from avlink.library.sheets import Row
from avlink.library.tags import read_tags_of_sound
from avlink.library.values import Analysis, Description


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundTask:
    """A file to read: its path below `root`, the cells of its sheet, the licence of its folder."""

    index: Path
    root: Path
    name: str
    row: Row
    licence: str
    known: FileRecord | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundRead:
    """A file that was read. Without description and analysis it has a fault, or only another time."""

    record: FileRecord
    description: Description | None = None
    analysis: Analysis | None = None
    only_touched: bool = False


def read_file(task: SoundTask) -> SoundRead:
    """Read one file, in a process of its own.

    Raises OutputError where a temporary file or the index cannot be used; all that is wrong with the file is told in
    the result.
    """
    path = task.root / task.name
    try:
        identity = file_identity(path)
        content = content_digest(path)
        if task.known is not None and task.known.digest == content and not task.known.fault:
            record = FileRecord(size_bytes=identity.size_bytes, mtime_ns=identity.mtime_ns, read_as="", digest=content)
            return SoundRead(record=record, only_touched=True)
        tags = read_tags_of_sound(path)
        described = describe(task.name, tags, task.row, licence=task.licence)
        with open_library_index(task.index) as index:
            analysis = index.analysis(content, says_loop=described.is_loop)
        if analysis is None:
            with faults_of(f"'{path}'"):
                analysis = analyse_file(path, says_loop=described.is_loop)
        identity.check()
    except (OutputError, LibraryError):
        raise
    except MediaChanged as error:
        return faulty(task, str(error), again=True)
    except InputError as error:
        return faulty(task, str(error))
    except OSError as error:
        return faulty(task, f"{path} cannot be read: {error.strerror or error}", again=True)
    return SoundRead(
        record=FileRecord(size_bytes=identity.size_bytes, mtime_ns=identity.mtime_ns, read_as="", digest=content),
        description=described,
        analysis=analysis,
    )


def faulty(task: SoundTask, fault: str, *, again: bool = False) -> SoundRead:
    """Return the result for a file that cannot be used; the next run reads it once more if `again`."""
    size_bytes = mtime_ns = 0
    with suppress(OSError):
        stat = (task.root / task.name).stat()
        size_bytes, mtime_ns = (0, 0) if again else (stat.st_size, stat.st_mtime_ns)
    return SoundRead(record=FileRecord(size_bytes=size_bytes, mtime_ns=mtime_ns, read_as="", fault=fault))

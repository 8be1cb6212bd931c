"""The errors of AVLink.

    AvlinkError               exit code 1: the machine or a bug
    `- InputError             exit code 2: the user's input (also a ValueError)
       |- RecipeError         a recipe, or an override of one
       |- MediaError          a media file that cannot be used
       |  |- TooShort         a clip that is too short for what is asked of it
       |  `- MediaChanged     a media file that was replaced while it was read
       |- TimelineError       a timeline that cannot be used
       |- BundleError         a model bundle that cannot be used
       |- LibraryError        a sound library, or their index, that cannot be used
       `- OutputError         an output place that cannot be written
          `- DiskFull         exit code 1: a disk has no space left
    |- PluginError            exit code 1: a plugin failed
    |- ExecutorError          exit code 1: the executor of a backend cannot be reached
    `- PeerFailed             its exit code: another process of a training failed, and says why

A message is one sentence: what is wrong, where, what is possible, what to do.
"""

from __future__ import annotations


class AvlinkError(Exception):
    """Base of all errors that are shown to the user as one sentence, without a traceback."""

    exit_code = 1


class InputError(AvlinkError, ValueError):
    """The user's input is at fault."""

    exit_code = 2


class RecipeError(InputError):
    """A recipe, or an override of one, is wrong."""


class MediaError(InputError):
    """A media file is missing, broken, or holds nothing that can be used."""


class TooShort(MediaError):
    """A clip is too short, or too small, for an extractor; other clips are not affected."""


class MediaChanged(MediaError):
    """A media file was replaced, or written to, while it was read: nothing is made of it, and another run may do."""


class TimelineError(InputError):
    """A timeline cannot be read, or says something that is not handled."""


class BundleError(InputError):
    """A model bundle is incomplete, altered, or of another format."""


class LibraryError(InputError):
    """A sound library, or the index of all, is missing, damaged, or in use."""


class OutputError(InputError):
    """An output cannot be written: no permission, no space, or in the way of something."""


class DiskFull(OutputError):
    """A disk has no space left, a quota is used up, or a file would be larger than the system allows."""

    exit_code = 1


class ExecutorError(AvlinkError):
    """The executor of a backend cannot be reached or has died: no clip is at fault, and the run ends."""


class PeerFailed(AvlinkError):
    """Another process of this training failed and reports why; this one ends with the same exit code."""

    def __init__(self, exit_code: int = 1) -> None:
        super().__init__("another process of this training failed")
        self.exit_code = exit_code


class PluginError(AvlinkError):
    """A plugin failed, or two plugins claim the same name."""

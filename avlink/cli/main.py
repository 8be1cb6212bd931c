"""The entry point of `avlink`: print answers, and turn exceptions into messages and exit codes."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import traceback
import warnings
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import typer

from avlink.cli.app import GROUPS, build_app
from avlink.cli.console import say
from avlink.cli.terminal import visible_json
from avlink.core.answer import BROKEN, DONE, FORMAT, INTERRUPTED, WRONG_INPUT, Answer, Lines
from avlink.core.disk import disk_full, has_no_space, is_disk_full
from avlink.core.errors import AvlinkError, DiskFull, OutputError
from avlink.core.input_files import check_name
from avlink.core.paths import cache_dir

_INTERRUPTED_TEXT = "interrupted; what was finished is kept"
# typer has its own copy of click since some version, so its errors are named through what it exports.
_UsageError: type[Exception] = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `avlink` with the given arguments (those of the process by default) and return its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    as_json = "--json" in arguments and "--help" not in arguments
    debug = "--debug" in arguments or os.environ.get("AVLINK_DEBUG", "0") not in {"", "0"}
    stdout = sys.stdout
    try:
        # Output of libraries would corrupt the JSON object, and their warnings do not help an editor.
        with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext(), warnings.catch_warnings():
            if not debug:
                warnings.simplefilter("ignore")
            outcome = _run(arguments)
            if isinstance(outcome, Generator):
                outcome = _follow(outcome, _command(arguments), stdout, as_json=as_json)
    except BaseException as error:
        code, message = _explain(error)
        if debug:
            _print_error("".join(traceback.format_exception(error)).rstrip())
        return _say(message, code, arguments, stdout if as_json else None)
    if outcome == INTERRUPTED:
        return _say(_INTERRUPTED_TEXT, INTERRUPTED, arguments, stdout if as_json else None)
    if not isinstance(outcome, Answer):
        return outcome if isinstance(outcome, int) else DONE
    return _show(outcome, stdout, as_json=as_json)


def _run(arguments: Sequence[str]) -> Any:
    """Return the command's `Answer`, or the exit code of a command that ended early, such as `--help`."""
    # Paths are written into projects and reports, which are text.
    for argument in arguments:
        check_name(Path(argument))
    with contextlib.suppress(FileNotFoundError):
        check_name(Path.cwd())
    command = typer.main.get_command(build_app())
    return command.main(args=list(arguments), prog_name="avlink", standalone_mode=False)


def _follow(lines: Lines, command: str | None, stdout: TextIO, *, as_json: bool) -> int:
    """Print the lines of a command that keeps running, one JSON object a line with `--json`; return its exit code."""
    with contextlib.closing(lines):
        while True:
            try:
                line = next(lines)
            except StopIteration as end:
                return end.value
            try:
                if as_json:
                    _print_json({"format": FORMAT, "command": command, **line.payload}, stdout, indent=None)
                elif line.text:
                    say(line.text, stdout)
            except BrokenPipeError:
                _drop_output()
                return DONE
            except OSError as error:
                return _output_failed(error)


def _show(answer: Answer, stdout: TextIO, *, as_json: bool) -> int:
    try:
        if as_json:
            _print_json(answer.to_json(), stdout)
        else:
            from avlink.cli.console import show

            show(answer.blocks, stdout)
        stdout.flush()
    except BrokenPipeError:
        _drop_output()
    except OSError as error:
        return _output_failed(error)
    return answer.exit_code


def _drop_output() -> None:
    """Send standard output nowhere: the interpreter would complain when it flushes what cannot be written at exit."""
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115


def _output_failed(error: OSError) -> int:
    _drop_output()
    _print_error(f"avlink: the results cannot be written to standard output: {error.strerror or error}")
    return BROKEN


def _print_error(text: str) -> None:
    # Nothing can be said about a standard error that cannot be written.
    with contextlib.suppress(OSError):
        say(text, sys.stderr)


def _say(message: str, code: int, arguments: Sequence[str], json_to: TextIO | None) -> int:
    if json_to is None:
        _print_error(f"avlink: {message}" if code != WRONG_INPUT or "\n" not in message else message)
    else:
        error = {"message": message, "exit_code": code}
        # One line of JSON: a command that keeps running may have printed such lines before.
        try:
            _print_json({"format": FORMAT, "command": _command(arguments), "error": error}, json_to, indent=None)
        except OSError as failed:
            return _output_failed(failed)
    return code


def _command(arguments: Sequence[str]) -> str | None:
    words = [word for word in arguments if not word.startswith("-")]
    return " ".join(words[: 2 if words[:1] and words[0] in GROUPS else 1]) or None


def _print_json(value: Any, stream: TextIO, *, indent: int | None = 2) -> None:
    text = json.dumps(_finite(value), indent=indent, ensure_ascii=False, allow_nan=False)
    print(visible_json(text), file=stream, flush=True)


def _finite(value: Any) -> Any:
    """Return `value` with None for numbers that JSON cannot hold, such as the loudness of silence."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def _explain(error: BaseException) -> tuple[int, str]:
    """Return the exit code and the message of an exception."""
    if isinstance(error, OutputError) and is_disk_full(error):
        # Of a plugin, for example, that tells of its own file.
        return BROKEN, str(error)
    if isinstance(error, AvlinkError):
        return error.exit_code, str(error)
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return INTERRUPTED, _INTERRUPTED_TEXT
    if isinstance(error, _UsageError):
        return WRONG_INPUT, _usage(error)
    if isinstance(error, SystemExit):
        return (error.code if isinstance(error.code, int) else BROKEN), str(error.code)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return BROKEN, "there is not enough memory; try a smaller -s run.max_batch_s, or --device cpu"
    if full := _disk_full(error):
        return full.exit_code, str(full)
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return BROKEN, f"{where}{error.strerror}"
    words = " ".join(str(error).split())
    return BROKEN, (
        f"this is a bug in AVLink: {type(error).__name__}{': ' if words else ''}{words} "
        "(--debug before the command, or AVLINK_DEBUG=1, shows where)"
    )


def _disk_full(error: BaseException) -> DiskFull | None:
    """Return the error to tell of a full disk that no code below has told of, if that is the cause of `error`."""
    folders = [cache_dir()]
    with contextlib.suppress(OSError):
        # The working folder may have been removed meanwhile.
        folders.insert(0, Path.cwd())
    place = next((folder for folder in folders if has_no_space(folder)), None)
    if place is None and not getattr(error, "filename", None):
        return None
    return disk_full(error, place or folders[0])


def _usage(error: Any) -> str:
    message = str(error.format_message()).strip()
    context = getattr(error, "ctx", None)
    if context is None or message.startswith("Usage"):
        return message
    return f"{message[:1].lower()}{message[1:].rstrip('.')}; see `{context.command_path} --help`"

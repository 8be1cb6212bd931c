"""`avlink cache`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from avlink.cli import options as given
from avlink.core.answer import Answer, Grid

if TYPE_CHECKING:
    from avlink.admin.cache import Amount

_EPILOG = (
    "Example: avlink cache prune --older-than 30d --max-size 10GB --dry-run. "
    "The environment variable AVLINK_CACHE_DIR sets the folder of the cache."
)
app = typer.Typer(help="Show or prune the files that are kept between runs.", epilog=_EPILOG)


@app.callback(invoke_without_command=True)
def cache(context: typer.Context, as_json: given.JsonOption = False) -> Answer | None:
    """Show the folder and the size of the cache.

    Everything that is listed can be generated again: removing it costs only time. The folder receipts is not listed and
    never pruned: without it AVLink takes the files that it wrote for those of somebody else.
    """
    if context.invoked_subcommand is not None:
        return None
    from avlink.admin.cache import look_at_cache

    found = look_at_cache()
    rows = [*_rows(found.kinds), _row("together", found.total)]
    grid = Grid(heads=("what", "entries", "size"), rows=rows)
    return Answer(command="cache", payload=found.to_json(), blocks=[str(found.folder), grid])


@app.command()
def prune(
    older_than: Annotated[
        str | None,
        typer.Option(
            "--older-than", metavar="AGE", help="Remove entries not used for AGE: 30d, 12h, 2w.", show_default=False
        ),
    ] = None,
    max_size: Annotated[
        str | None,
        typer.Option(
            "--max-size",
            metavar="SIZE",
            help="Remove the least recently used entries until SIZE is left: 10GB, 500MB.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, remove nothing.")] = False,
    as_json: given.JsonOption = False,
) -> Answer:
    """Remove the least recently used entries of the cache.

    Without --older-than and --max-size, entries that were not used for 30 days are removed. Other runs may continue
    meanwhile: entries that were used in the last ten minutes are kept.
    """
    from avlink.admin.cache import parse_age, parse_size, prune_cache, size_text

    done = prune_cache(
        older_than_s=None if older_than is None else parse_age(older_than),
        max_bytes=None if max_size is None else parse_size(max_size),
        dry_run=dry_run,
    )
    said = f"{'would remove' if dry_run else 'removed'} {done.total.entries}, {size_text(done.total.size_bytes)}; "
    said += f"left: {done.left.entries}, {size_text(done.left.size_bytes)}"
    if done.in_use:
        said += f" ({done.in_use} just used or in use)"
    rows = _rows(done.removed)
    grid = [Grid(heads=("what", "entries", "size"), rows=rows)] if rows else []
    return Answer(command="cache prune", payload=done.to_json(), blocks=[*grid, said])


def _rows(kinds: Mapping[str, Amount]) -> list[tuple[str, str, str]]:
    from avlink.admin.cache import KINDS

    return [_row(KINDS[kind], amount) for kind, amount in kinds.items() if amount.entries]


def _row(name: str, amount: Amount) -> tuple[str, str, str]:
    from avlink.admin.cache import size_text

    return (name, f"{amount.entries:,}", size_text(amount.size_bytes))

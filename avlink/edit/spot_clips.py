"""The clips of footage that a spotter looks at: read, selected, and resolved to their media."""

from __future__ import annotations

from fractions import Fraction

from avlink.core.errors import TimelineError
from avlink.core.hashing import JsonValue
from avlink.core.recipe.schema import SelectTable
from avlink.edit.footage import Footage
from avlink.edit.sources import Locate, resolve_sources
from avlink.edit.spot_plan import SpotPlan, spot_plan
from avlink.edit.transparency import with_transparency
from avlink.session import Session
from avlink.timeline.select import select_clips
from avlink.timeline.walk import list_clips

_AROUND_S = Fraction(1, 2)
"""Media beyond both ends of a clip that a spotter sees too: nothing moves before the first picture of a film."""


def plan_clips(
    footage: Footage,
    select: SelectTable,
    *,
    spotter: JsonValue,
    session: Session,
    find: Locate | None = None,
    skip_missing: bool = False,
) -> SpotPlan:
    """Return the clips of footage to look at, with the key of what `spotter` sees in each.

    `spotter` is its name and its fingerprint. Raises TimelineError where there are no clips.
    """
    file = footage.file
    items = list_clips(file.timeline, file.image_rate)
    items = with_transparency(items, folder=footage.folder, roots=footage.roots, locate=find)
    clips = select_clips(items, wanted=select, cued=False)
    if not clips:
        raise TimelineError(f"{file.path} has no clips on video tracks; there is nothing to look at")
    sources, skips = resolve_sources(
        clips,
        folder=footage.folder,
        roots=footage.roots,
        store=session.store,
        skip_missing=skip_missing,
        handle_s=_AROUND_S,
        locate=find,
        rate=footage.timebase.rate,
    )
    return spot_plan(sources, skips, spotter=spotter)

"""The moment at which a media file says it was recorded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from av.container import InputContainer

_APART = "[-_:. /]"
_DATE = re.compile(rf"(\d{{4}}){_APART}(\d\d){_APART}(\d\d)")
_TIME = re.compile(rf"(\d\d){_APART}(\d\d){_APART}(\d\d)")
_FIRST_YEAR = 1971
"""Zeros of the clocks of QuickTime (1904) and Unix (1970) stand for no date."""


def recorded_at(container: InputContainer) -> str:
    """Return yyyy-mm-ddThh:mm:ss by a file's own tags, "" where it has no date. Without a time of day it is midnight.

    The local time of a camera comes first, then the date of Broadcast Wave, then the creation time in UTC.
    """
    tags = [container.metadata, *(stream.metadata for stream in container.streams)]
    return next((found for texts in _texts(tags) if (found := _moment(*texts))), "")


def _texts(tags: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield pairs of texts that may hold a date and a time of day, the most telling first."""
    for one in tags:
        if text := one.get("com.apple.quicktime.creationdate"):
            yield text[:10], text[11:]
    for one in tags:
        if not _DATE.match(one.get("creation_time", "")):
            # Of Broadcast Wave libav gives the two fields by these names.
            yield one.get("date", ""), one.get("creation_time", "")
    for name in ("creation_time", "date", "modification_date"):
        for one in tags:
            text = one.get(name, "")
            yield text[:10], text[11:]


def _moment(date_text: str, time_text: str) -> str:
    date, time = _DATE.match(date_text), _TIME.match(time_text)
    if date is None:
        return ""
    try:
        year, month, day = map(int, date.groups())
        hour, minute, second = map(int, time.groups()) if time else (0, 0, 0)
        moment = datetime(year, month, day, hour, minute, second)
    except ValueError:
        return ""
    return moment.isoformat() if moment.year >= _FIRST_YEAR else ""

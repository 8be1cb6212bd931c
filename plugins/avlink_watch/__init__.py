"""`avlink watch`: folders whose media files and timelines are sonified as they arrive.

The decisions are in `tracker` and `folder`, which get the time handed in; `ledger` remembers; `worker` is another
process that does the work. Uses of AVLink only what `avlink` exports, as a plugin of a stranger would.
"""

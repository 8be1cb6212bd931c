"""`avlink watch`: folders whose media files and timelines are sonified as they arrive.

Decisions are in `tracker`, `inbox`, `outcomes` and `folder`, which are handed the time and read no clock; `ledger` is
the state that outlives a process; `worker` is the other process, which decodes and generates. Sonifying itself belongs
to AVLink, and only names that `avlink` and `avlink.hooks` export are used here.
"""

"""The pipeline that gives an edit its sound or its pictures: plan, reuse, render, finish, place, report.

Takes, cues, export and previews of a project are here, too. Decisions about clips belong in `timeline`, decoding and
encoding in `media`, and generation in a backend, which this package only calls.
"""

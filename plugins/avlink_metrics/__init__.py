"""Public networks as extractors, for the metrics of `avlink evaluate` and for conditioning.

The networks are reimplemented after their papers. Weights are files of the user; nothing is downloaded.
"""

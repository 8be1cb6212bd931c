"""Public networks as extractors, for the metrics of `avlink evaluate` and for conditioning.

The code is ours, after the published architectures; weights stay where the user has them, and nothing is downloaded.
"""

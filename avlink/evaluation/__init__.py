"""Measure a model or a folder of clips: extractors' features, pairs, metric registry, tables.

Modules here read files and call models; what they compute of arrays is in `metrics`, which stays pure.
Figures of a model that still trains belong in `training.validation`.
"""

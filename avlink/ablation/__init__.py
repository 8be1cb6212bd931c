"""Sets of trainings and their comparison: variants of one model, their runs, cost, scores, tables and plots.

A variant is trained by `avlink.training` and scored by `avlink.metrics`; nothing here defines a layer or a loss.
A single training belongs in `training`, the evaluation of one model in `evaluation`.
"""

"""Sets of trainings and how they compare: variants of one model, their runs, cost, figures, tables and plots.

A variant trains by `avlink.training` and is measured by `avlink.metrics`; nothing here defines a layer or a loss.
A single training belongs in `training`, the evaluation of one model in `evaluation`.
"""

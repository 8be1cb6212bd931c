"""Flow matching (section 3.1): path, loss, schedule, solver.

Functions of tensors and flow times. Networks belong in `engine.nn`, conditions and windows in `engine.sampling`.
"""

"""Flow matching: path, schedule, solver."""

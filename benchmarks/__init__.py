"""The speed and the memory of AVLink, beside baselines that are measured in the same run."""

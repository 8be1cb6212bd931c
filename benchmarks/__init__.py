"""How fast AVLink is and how much memory it takes, beside baselines that are measured in the same run."""

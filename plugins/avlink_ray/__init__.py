"""Any backend on a Ray cluster: one more line in the recipe, the same sound, the same keys in the cache."""

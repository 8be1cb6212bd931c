"""Learning of a spotter from a user's footage: clips with true hits, heads that are fitted to them, and the gain.

The gain is measured on clips that were held back. The networks themselves belong in `engine`, the folder that is
written in `core.learned`, and spotting with it in a plugin.
"""

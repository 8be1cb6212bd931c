"""The command line. Thin: parse, load the recipe, call one service, show what it says."""

from avlink.cli.main import main

__all__ = ["main"]

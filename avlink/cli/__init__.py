"""The command line: commands and their options, progress on the console, exit codes.

A command parses its options, loads a recipe, calls one service and returns an `Answer`.
Work of any kind belongs in the package of that service; text for people is formatted here.
"""

from avlink.cli.main import main

__all__ = ["main"]

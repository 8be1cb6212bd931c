"""Values, errors, events, recipes, clock, paths and store, shared by all packages above.

Modules here import the standard library, numpy, pydantic and platformdirs, but neither torch nor OTIO nor PyAV.
A module that serves one package only belongs in that package.
"""

"""Values, errors, recipes, clock, paths and store: shared by every package above.

Modules here depend on the standard library, numpy and pydantic alone, and import neither torch nor OTIO nor PyAV.
A module that serves one package only belongs in that package.
"""

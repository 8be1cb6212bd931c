"""`avlink serve`, and the backends `remote` and `remote-a2v` that use it from another machine."""

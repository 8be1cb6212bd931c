"""`avlink serve`, and the executor `remote`, by which another machine lets any backend work there.

Both sides of the protocol are here. What a backend generates is not: the server calls the generator of any plugin.
"""

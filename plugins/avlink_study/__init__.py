"""`avlink study`: a page on which people compare the results of methods in pairs, and the table of their preferences.

Everything from the folders of clips to the statistics is here; `stats` and `table` count votes and know no server.
Measures that need no people are those of `avlink evaluate`.
"""

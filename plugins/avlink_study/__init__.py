"""`avlink study`: a page on which people compare the results of methods in pairs, and the table of what they preferred.

`plan` says what is compared, `rating` what a rater may do next, `routes` how a browser asks for it; the answers are in
SQLite (`ledger`). `votes`, `shares`, `resampling`, `agreement` and `table` count them, and know nothing of all that.
"""

"""One module a format: a strategy of cases, of which some are whole and exact, and others broken in every way."""

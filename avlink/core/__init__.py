"""Values, errors, recipes, clock and store: what every floor above shares."""

"""Generated inputs through the real command line, with laws on what it answers and writes."""

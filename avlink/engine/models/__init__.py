"""The linked model and everything that one bundle holds."""

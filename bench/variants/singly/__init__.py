"""The same disk, and one message at a time instead of all that wait."""

"""Which hook fires and why not, and one run of it."""

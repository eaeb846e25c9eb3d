"""A message on its way out: composed, signed, delivered, and what became of it."""

"""Engines of which one part is another, to see what that part is worth."""

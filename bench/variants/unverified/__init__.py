"""Nothing is looked up, and no signature is checked."""

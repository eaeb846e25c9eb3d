"""What the engine counts and measures: plain numbers where it works, text where it is read."""

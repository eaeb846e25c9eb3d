"""The machine, behind one small interface."""

"""Keeps the machine and the running engine at what the manifest says."""

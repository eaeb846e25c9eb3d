"""Servers of ours to rehearse against: on this machine, from a script that a person can read."""

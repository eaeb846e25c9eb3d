"""The ways in for those who administer, send and read."""

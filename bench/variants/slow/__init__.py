"""A disk that takes its time for every flush."""

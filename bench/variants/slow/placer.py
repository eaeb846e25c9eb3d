"""A placer on a slow disk."""

from __future__ import annotations

from variants.slow import disk

if __name__ == "__main__":
    disk.main()

"""A placer on a slow disk that knows no batches."""

from __future__ import annotations

from aimx.placing import placer
from variants.slow import disk

if __name__ == "__main__":
    placer._MOST_JOBS = 1
    disk.main()

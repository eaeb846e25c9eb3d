"""A placer on a slow disk that knows no batches."""

from __future__ import annotations

from aimx.placing import workers
from variants.slow import disk

if __name__ == "__main__":
    workers._MOST_JOBS = 1
    disk.main()

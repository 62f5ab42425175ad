"""The export service as a process of its own, for tests that end it without warning: `lonely.py DATA STICK`."""

import sys
from pathlib import Path

from tests.integration.export.bench import bench

if __name__ == "__main__":
    with bench(Path(sys.argv[1]), Path(sys.argv[2])) as lonely:
        lonely.drives.plug()
        while True:
            lonely.service.step()

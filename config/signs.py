"""Signs of life: a file that a process touches whenever it has done once more what it is there for.

python -m config.signs NAME     exit status 0 if NAME gave a sign within the last LEASE seconds; a line and 1 if not

For health checks, which come twice a minute: starting Django would cost a second of processor time each.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path

from config import environment


def give(name: str) -> None:
    """Never in the way: where the file cannot be written the process goes on, and its health check fails."""
    with suppress(OSError):
        _file(name).touch()


def age(name: str) -> float | None:
    """Seconds since the last sign; None if there was none."""
    try:
        return time.time() - _file(name).stat().st_mtime
    except FileNotFoundError:
        return None


def main(name: str) -> int:
    lease = environment.whole_number("LEASE", 30, 2, 3_600)
    seconds = age(name)
    if seconds is not None and seconds <= lease:
        return 0
    print(f"the {name} gave {'no sign of life' if seconds is None else f'its last sign of life {seconds:.0f} s ago'}")
    return 1


def _file(name: str) -> Path:
    return environment.data_folder() / f"{name}.alive"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

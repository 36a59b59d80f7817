"""The tests that concern database and jobs, once more: on PostgreSQL and Redis, started here and ended here.

python -m tests.on_servers [arguments of pytest]
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence

from tests.programs import POSTGRESQL, REDIS, Program, missing
from tests.servers import FAST, PostgreSQL, Redis, ServerFailed

CONCERNED = ("tests/wiki", "tests/api", "tests/workers", "tests/browser/test_with_a_real_worker.py")
TWO_PROCESSES = ("-n", "2", "--dist", "loadfile")
ONCE_IS_ENOUGH = ("-m", "not postgresql and not redis")  # for tests that start servers of their own


def main(arguments: Sequence[str]) -> int:
    """pytest's exit status. Without the programs: 1 with CI=true, otherwise 0 and a line that counts what it skips."""
    if lacking := missing((POSTGRESQL, REDIS)):
        return without(lacking)
    try:
        with PostgreSQL(settings=FAST) as postgresql, Redis() as redis:
            there = {"DATABASE_URL": postgresql.url, "REDIS_URL": redis.url}
            command = pytest(*TWO_PROCESSES, *ONCE_IS_ENOUGH, *arguments, *CONCERNED)
            return subprocess.run(command, env={**os.environ, **there}).returncode
    except ServerFailed as reason:
        print(reason, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def without(programs: Sequence[Program]) -> int:
    packages = " and ".join(program.package for program in programs)
    if os.environ.get("CI") == "true":
        print(f"Not installed: {packages}, and with CI=true nothing is skipped for a missing program", file=sys.stderr)
        return 1
    print(f"Not installed: {packages}. Skipped on PostgreSQL and Redis: {count()} tests.", flush=True)
    return 0


def count() -> str:
    """How many tests there are to run."""
    done = subprocess.run(pytest("--collect-only", "-q", *ONCE_IS_ENOUGH, *CONCERNED), capture_output=True, text=True)
    found = re.search(r"^(\d+)(?:/\d+)? tests? collected", done.stdout, flags=re.MULTILINE)
    return found[1] if found else "all"


def pytest(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pytest", *arguments]


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # not before the servers are ended
    sys.exit(main(sys.argv[1:]))

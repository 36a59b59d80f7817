"""System programs that some tests drive. `python -m tests.programs` installs what is missing, or names it."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Program:
    marker: str  # of the tests that need it
    commands: tuple[str, ...]  # any of these will do
    package: str  # Debian's name for it
    folders: tuple[str, ...] = ()  # patterns of folders off PATH where systems keep it


CHROMIUM = Program(marker="browser", commands=("chromium", "chromium-browser", "google-chrome"), package="chromium")
POSTGRESQL = Program(
    marker="postgresql",
    commands=("postgres",),  # initdb lies beside it
    package="postgresql",
    folders=("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin"),
)
REDIS = Program(marker="redis", commands=("redis-server",), package="redis-server")
PROGRAMS = (CHROMIUM, POSTGRESQL, REDIS)


def path_of(program: Program) -> str | None:
    """On PATH, else off it in the folder with the highest version."""
    off_path = (str(folder) for pattern in program.folders for folder in newest_first(Path("/").glob(pattern[1:])))
    places = (None, *off_path)
    found = (shutil.which(command, path=place) for place in places for command in program.commands)
    return next((path for path in found if path), None)


def newest_first(folders: Iterable[Path]) -> list[Path]:
    return sorted(folders, key=lambda folder: [int(number) for number in re.findall(r"\d+", str(folder))], reverse=True)


def missing(programs: Iterable[Program] | None = None) -> list[Program]:
    return [program for program in (PROGRAMS if programs is None else programs) if path_of(program) is None]


def require(program: Program) -> str:
    """Path of the program. Without it the test is skipped and counted; with CI=true it fails."""
    import pytest  # here, so that benchmarks find servers where pytest is not installed

    path = path_of(program)
    if path is not None:
        return path
    if os.environ.get("CI") == "true":
        pytest.fail(f"{program.package} is not installed, and with CI=true nothing is skipped for a missing program")
    pytest.skip(f"{program.package} is not installed")


def install(programs: list[Program]) -> None:
    """Install Debian packages; say nothing unless it fails."""
    packages = [program.package for program in programs]
    print(f"Installing {', '.join(packages)} with apt-get", flush=True)
    quiet = {"DEBIAN_FRONTEND": "noninteractive", **os.environ}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        done = subprocess.run(
            ["apt-get", *arguments], env=quiet, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if done.returncode != 0:
            print(f"apt-get {arguments[0]} failed: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")


def main() -> None:
    if missing() and os.geteuid() == 0 and shutil.which("apt-get"):
        install(missing())
    if missing():
        packages = ", ".join(program.package for program in missing())
        print(f"Not installed: {packages}. Tests that need it will be skipped and counted.", flush=True)


if __name__ == "__main__":
    main()

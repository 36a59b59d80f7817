"""Strict readers of environment variables: a value that does not read is an error that says what to write."""

from __future__ import annotations

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

FLAGS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def text(name: str, default: str) -> str:
    return os.environ.get(name, "").strip() or default


def flag(name: str, default: bool) -> bool:
    given = text(name, str(default)).lower()
    if given not in FLAGS:
        raise ImproperlyConfigured(f"{name}={given!r} is neither yes nor no; write one of {', '.join(FLAGS)}")
    return FLAGS[given]


def whole_number(name: str, default: int, least: int, most: int) -> int:
    given = text(name, str(default))
    if not given.isdecimal() or not least <= int(given) <= most:
        raise ImproperlyConfigured(f"{name}={given!r} is not a whole number from {least} to {most}")
    return int(given)


def folder(name: str, default: Path) -> Path:
    return Path(text(name, str(default))).expanduser().resolve()


def folders(name: str, default: tuple[Path, ...]) -> tuple[Path, ...]:
    """Folders separated by the system's path separator (`:`), beside the default ones."""
    given = (Path(part).expanduser().resolve() for part in text(name, "").split(os.pathsep) if part.strip())
    return (*default, *given)


def names(name: str, default: tuple[str, ...]) -> list[str]:
    """Words separated by commas."""
    return [part.strip() for part in text(name, ",".join(default)).split(",") if part.strip()]


def data_folder() -> Path:
    """Where everything that must last is kept."""
    return folder("DATA", Path(__file__).resolve().parent.parent / "data")

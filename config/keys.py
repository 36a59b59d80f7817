"""Two secrets in the data folder, readable by its owner only: Django's, and the one fresh draws are seeded with."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

SECRET_KEY = "secret_key"
EVIDENCE_SECRET = "evidence_secret"


def stored(data: Path, name: str) -> str:
    """The secret, or nothing where none has been made yet."""
    try:
        return (data / name).read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""


def make_missing(data: Path) -> None:
    """Makes the data folder and the secrets it lacks. Of two processes that do so at once, one wins."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in (SECRET_KEY, EVIDENCE_SECRET):
        if not stored(data, name):
            _make(data / name)


def _make(file: Path) -> None:
    """Written whole under another name, then linked into place, so that nobody reads half a secret."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(secrets.token_urlsafe(64))
    try:
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()

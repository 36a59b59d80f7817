"""Differences between two revisions, line by line of their indented JSON."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from typing import Literal

from workers.engine.documents.document import Invalid
from workers.engine.documents.kinds import DOCUMENTS

AROUND = 3  # lines shown around a change


@dataclass(frozen=True)
class Row:
    kind: Literal["same", "added", "removed", "skipped"]
    text: str


def readable(kind: str, text: str) -> str:
    """A document's text, indented, its fields in the order people write them; what does not read, as it stands."""
    try:
        return json.dumps(DOCUMENTS[kind].read(text).values(), indent=2, ensure_ascii=False)
    except Invalid:
        return _indented(text)


def _indented(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def differences(kind: str, old: str, new: str) -> list[Row]:
    """From one document's text to another's; empty if they say the same."""
    before, after = readable(kind, old).splitlines(), readable(kind, new).splitlines()
    lines = difflib.unified_diff(before, after, n=AROUND, lineterm="")
    return [_row(line) for line in lines if not line.startswith(("---", "+++"))]


def _row(line: str) -> Row:
    match line[:1]:
        case "+":
            return Row("added", line[1:])
        case "-":
            return Row("removed", line[1:])
        case "@":
            return Row("skipped", "…")
        case _:
            return Row("same", line[1:])

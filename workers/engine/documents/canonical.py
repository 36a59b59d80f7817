"""Canonical text of a document (RFC 8785 over NFC strings) and its hash.

Identity in Interpedia is the sha256 of these bytes, so two people who write the same thing write the same hash.
"""

from __future__ import annotations

import hashlib
import json
import math
import unicodedata
from typing import Any

import rfc8785

LARGEST_INTEGER = 2**53 - 1


class NotCanonical(ValueError):
    """The text is not JSON with a canonical form: a duplicate key, NaN, an infinity, an integer beyond 2^53, NUL."""


def parse(text: str | bytes) -> Any:
    """JSON text to Python values; raises NotCanonical where RFC 8785 has no answer."""
    try:
        value = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotCanonical(f"this is not valid JSON: {error}") from error
    return normalize(value)


def canonical(value: Any) -> str:
    """The one canonical text of a JSON value."""
    return rfc8785.dumps(normalize(value)).decode()


def sha256(text: str) -> str:
    """`sha256:<64 hex digits>` of the text's UTF-8 bytes."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def normalize(value: Any) -> Any:
    """The value with NFC strings and without tuples; raises NotCanonical for what JSON cannot carry."""
    match value:
        case None | bool():
            return value
        case str() if "\0" in value:
            raise NotCanonical(f"{value[:40]!r} holds a NUL character, which no database keeps; remove it")
        case str():
            return unicodedata.normalize("NFC", value)
        case int():
            return _whole(value)
        case float():
            return _finite(value)
        case list() | tuple():
            return [normalize(item) for item in value]
        case dict():
            return _unique_keys([(normalize(key), normalize(item)) for key, item in value.items()])
        case _:
            raise NotCanonical(f"{type(value).__name__} is not a JSON type")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            raise NotCanonical(f"the key {key!r} stands twice in one object; keep one of them")
        seen[key] = value
    return seen


def _refuse_constant(name: str) -> None:
    raise NotCanonical(f"{name} is not a number JSON knows; leave the field out or write null")


def _whole(value: int) -> int:
    if abs(value) > LARGEST_INTEGER:
        raise NotCanonical(f"{value} is beyond 2^53 and would lose digits; write it as a string")
    return value


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise NotCanonical(f"{value} is not a number JSON knows; leave the field out or write null")
    if abs(value) > LARGEST_INTEGER:
        raise NotCanonical(f"{value} is beyond 2^53, where it could not be told from its neighbors; use another unit")
    return value

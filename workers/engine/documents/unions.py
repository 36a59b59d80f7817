"""A field that takes one of several documents, told apart by a key that only one of them has."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import Discriminator, Tag

_OUT_OF_ERROR_PATHS = "tagged-union-"  # `document.problems_of` leaves such parts of a path out


def variant(key: str) -> Tag:
    """Beside a member of the union: the document that has this key, or "int" or "str" for a plain value."""
    return Tag(_OUT_OF_ERROR_PATHS + key)


def told_apart_by(*keys: str, write: str) -> Discriminator:
    """Beside the union. write: what to write, for the error message."""

    def tag_of(given: Any) -> str | None:
        if isinstance(given, int | str):
            stated: Collection[str] = (type(given).__name__,)
        else:
            stated = given if isinstance(given, dict) else getattr(given, "model_fields_set", ())
        return next((_OUT_OF_ERROR_PATHS + key for key in keys if key in stated), None)

    return Discriminator(tag_of, custom_error_type="variant", custom_error_message=f"write {write}")

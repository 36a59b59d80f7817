"""Reading JSON strictly: a duplicate key or a NaN in a document is an error, not a choice of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from workers.engine.documents.canonical import NotCanonical, parse

LARGEST_BODY = 2 * 2**20


class DocumentParser(BaseParser):
    """application/json, as documents need it."""

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        body = stream.read(LARGEST_BODY + 1)
        if len(body) > LARGEST_BODY:
            raise ParseError(f"The body is larger than {LARGEST_BODY // 2**20} MiB.")
        try:
            return parse(body)
        except NotCanonical as error:
            raise ParseError(str(error)) from error

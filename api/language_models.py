"""/api/v1/models/"""

from __future__ import annotations

from api.entries import EntrySet
from wiki.models import Kind


class ModelSet(EntrySet):
    """Models: which weights exactly, tokenizer, dimensions. Stewards write them."""

    kind = Kind.MODEL

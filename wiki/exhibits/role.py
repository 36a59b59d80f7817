"""A role's own test as its page shows it: what a finding has to claim of a head for the word to be tested."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from wiki.exhibits.words import expected
from workers.engine.documents.role import Role


@dataclass(frozen=True)
class PartShown:
    """One claim of the test. spec: as JSON, with the head left open. expected: empty without a published threshold."""

    technique: str
    spec: str
    expected: str
    words: str


def parts_of(role: Role) -> Iterator[PartShown]:
    for claim in role.test.claims:
        bound = expected(claim.expect).words if claim.expect else ""
        yield PartShown(claim.technique, json.dumps(claim.spec, ensure_ascii=False), bound, claim.words)

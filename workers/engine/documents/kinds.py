"""Which document type each kind of entry is."""

from __future__ import annotations

from workers.engine.documents.behavior import Behavior
from workers.engine.documents.finding import Finding
from workers.engine.documents.model import Model
from workers.engine.documents.role import Role

EntryDocument = Behavior | Model | Role | Finding
DOCUMENTS: dict[str, type[EntryDocument]] = {"behavior": Behavior, "model": Model, "role": Role, "finding": Finding}

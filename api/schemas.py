"""/api/v1/schemas/: the JSON Schema of every document kind and of every technique's spec."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from workers.engine.documents.kinds import DOCUMENTS
from workers.engine.prompts import GENERATORS
from workers.engine.techniques import TECHNIQUES


class SchemaSet(viewsets.ViewSet):
    """JSON Schemas, by name: `finding`, `behavior`, `model`, `role`, `ablation`, `template`, …"""

    lookup_field = "name"

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def list(self, request: Request) -> Response:
        return Response({"documents": [*DOCUMENTS], "techniques": [*TECHNIQUES], "prompts": [*GENERATORS]})

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def retrieve(self, request: Request, name: str) -> Response:
        return Response(_schema(name))


def _schema(name: str) -> dict[str, Any]:
    if name in DOCUMENTS:
        return DOCUMENTS[name].model_json_schema()
    if name in TECHNIQUES:
        return TECHNIQUES[name].spec.model_json_schema()
    if name in GENERATORS:
        return GENERATORS[name].source.model_json_schema()
    raise Http404

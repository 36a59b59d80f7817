"""/api/v1/estimates/: what the runs of a finding would cost, before it is published."""

from __future__ import annotations

from typing import cast

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import permissions, serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from api.entries import asker_of
from api.parsers import DocumentParser
from api.problems import Unacceptable, refusal
from wiki.estimates import ClaimEstimate, Estimate, estimate
from wiki.models import Kind
from workers.engine.cost import TERA
from workers.engine.documents.document import Invalid, Problem
from workers.engine.documents.finding import Finding
from workers.engine.documents.kinds import DOCUMENTS


class ClaimEstimateSerializer(serializers.Serializer[ClaimEstimate]):
    claim = serializers.CharField()
    runs = serializers.IntegerField(help_text="That the claim lacks.")
    tflop = serializers.SerializerMethodField(help_text="Of all those runs, at most.")
    words = serializers.CharField(help_text="What one draw takes.")
    obstacle = serializers.CharField(help_text="What would keep the runs from being queued; empty if nothing would.")

    def get_tflop(self, found: ClaimEstimate) -> float:
        return found.operations / TERA


class EstimateSerializer(serializers.Serializer[Estimate]):
    runs = serializers.IntegerField()
    tflop = serializers.SerializerMethodField()
    quota_left_tflop = serializers.SerializerMethodField(help_text="Today's; null without a limit.")
    claims = ClaimEstimateSerializer(many=True)

    def get_tflop(self, found: Estimate) -> float:
        return found.operations / TERA

    def get_quota_left_tflop(self, found: Estimate) -> float | None:
        return None if found.left is None else found.left / TERA


class EstimateSet(viewsets.ViewSet):
    """What it would take to check a finding. Nothing is written."""

    parser_classes = [DocumentParser]
    permission_classes = [permissions.IsAuthenticated]

    @extend_schema(request=OpenApiTypes.OBJECT, responses=EstimateSerializer)
    def create(self, request: Request) -> Response:
        """The body is a finding's document, as it would be published."""
        if not isinstance(request.data, dict):
            raise Unacceptable([Problem("", "send the document itself, as one JSON object")])
        try:
            finding = cast(Finding, DOCUMENTS[Kind.FINDING].from_json(request.data))
            return Response(EstimateSerializer(estimate(finding, asker_of(request))).data)
        except Invalid as error:
            raise refusal(error) from error

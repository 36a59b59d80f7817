"""/api/v1/"""

from __future__ import annotations

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.routers import DefaultRouter

from api.behaviors import BehaviorSet
from api.claims import ClaimSet
from api.estimates import EstimateSet
from api.findings import FindingSet
from api.heads import HeadSet
from api.language_models import ModelSet
from api.roles import RoleSet
from api.runs import RunSet
from api.schemas import SchemaSet

router = DefaultRouter()
router.register("findings", FindingSet, "api-finding")
router.register("behaviors", BehaviorSet, "api-behavior")
router.register("models", ModelSet, "api-model")
router.register("roles", RoleSet, "api-role")
router.register("claims", ClaimSet, "api-claim")
router.register("runs", RunSet, "api-run")
router.register("heads", HeadSet, "api-head")
router.register("estimates", EstimateSet, "api-estimate")
router.register("schemas", SchemaSet, "api-schema-of")

urlpatterns = [
    path("", include(router.urls)),
    path("openapi/", SpectacularAPIView.as_view(), name="api-openapi"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="api-openapi"), name="api-docs"),
]

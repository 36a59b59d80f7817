from __future__ import annotations

from django.urls import include, path

urlpatterns = [
    path("accounts/", include("allauth.urls")),
    path("api/v1/", include("api.urls")),
    path("", include("wiki.urls")),
]
handler500 = "wiki.views.broken.broken"

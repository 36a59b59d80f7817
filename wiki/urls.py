from __future__ import annotations

from django.urls import URLPattern, path
from django.views.generic import TemplateView

from wiki.views import (
    account,
    behaviors,
    claim,
    edit,
    finding,
    findings,
    health,
    history,
    home,
    metrics,
    models,
    roles,
    runs,
    site,
    stewards,
    techniques,
)


def entry_pages(kind: str) -> list[URLPattern]:
    """Edit, history, revision, diff and revert: the same for every kind of entry."""
    entry, named = f"{kind}s/<slug:slug>/", {"kind": kind}
    return [
        path(f"{kind}s/new/", edit.new, named, name=f"{kind}-new"),
        path(f"{entry}edit/", edit.edit, named, name=f"{kind}-edit"),
        path(f"{entry}history/", history.history, named, name=f"{kind}-history"),
        path(f"{entry}revisions/<int:number>/", history.revision, named, name=f"{kind}-revision"),
        path(f"{entry}revisions/<int:number>/diff/", history.diff, named, name=f"{kind}-diff"),
        path(f"{entry}revisions/<int:number>/revert/", history.revert, named, name=f"{kind}-revert"),
    ]


urlpatterns = [
    path("", home.home, name="home"),
    *(page for kind in ("finding", "behavior", "model", "role") for page in entry_pages(kind)),
    path("findings/", findings.findings, name="findings"),
    path("findings/<slug:slug>/", finding.finding, name="finding"),
    path("findings/<slug:slug>/live/", finding.live, name="finding-live"),
    path("findings/<slug:slug>/finding.json", finding.download, name="finding-json"),
    path("findings/<slug:slug>/claims/<slug:claim>/", claim.claim, name="claim"),
    path("findings/<slug:slug>/claims/<slug:claim>/again/", claim.again, name="claim-again"),
    path("behaviors/", behaviors.behaviors, name="behaviors"),
    path("behaviors/<slug:slug>/", behaviors.behavior, name="behavior"),
    path("models/", models.models, name="models"),
    path("models/<slug:slug>/", models.model, name="model"),
    path("models/<slug:slug>/heads/<int:layer>.<int:head>/", models.head, name="head"),
    path("roles/", roles.roles, name="roles"),
    path("roles/<slug:slug>/", roles.role, name="role"),
    path("techniques/", techniques.techniques, name="techniques"),
    path("techniques/<slug:key>/", techniques.technique, name="technique"),
    path("runs/", runs.runs, name="runs"),
    path("runs/<int:number>/", runs.run, name="run"),
    path("runs/<int:number>/live/", runs.live, name="run-live"),
    path("stewards/", stewards.stewards, name="stewards"),
    path("stewards/live/", stewards.live, name="stewards-live"),
    path("stewards/runs/<int:number>/retry/", stewards.retry, name="run-retry"),
    path("stewards/runs/<int:number>/retry-alike/", stewards.retry_alike, name="runs-retry-alike"),
    path("how-checking-works/", TemplateView.as_view(template_name="wiki/how.html"), name="how"),
    path("account/", account.account, name="account"),
    path("account/tokens/make/", account.make_token, name="token-make"),
    path("account/tokens/revoke/", account.revoke_token, name="token-revoke"),
    path("welcome/<str:token>/", account.welcome, name="welcome"),
    path("badge/<slug:slug>.svg", site.badge, name="badge"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("robots.txt", site.robots, name="robots"),
    path("llms.txt", site.llms, name="llms"),
]

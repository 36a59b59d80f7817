"""The account page: API tokens, made, shown once and revoked."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from knox.models import AuthToken

from wiki import actions
from wiki.models import Revision

NEWEST_EDITS = 10


@never_cache
@login_required
def account(request: HttpRequest, made: str = "") -> HttpResponse:
    assert request.user.is_authenticated
    edits = Revision.objects.filter(author=request.user).select_related("entry").defer("text")
    context = {
        "tokens": AuthToken.objects.filter(user=request.user).order_by("created"),
        "edits": edits.order_by("-created_at")[:NEWEST_EDITS],
        "made": made,
    }
    return render(request, "wiki/account.html", context)


@login_required
@require_POST
def make_token(request: HttpRequest) -> HttpResponse:
    """Answers with the token itself: it is shown this once and never stored."""
    assert request.user.is_authenticated
    return account(request, actions.make_token(request.user))


@login_required
@require_POST
def revoke_token(request: HttpRequest) -> HttpResponse:
    get_object_or_404(AuthToken, user=request.user, digest=request.POST.get("digest", "")).delete()
    messages.success(request, "The token is revoked.")
    return redirect("account")


@never_cache
def welcome(request: HttpRequest, token: str) -> HttpResponse:
    """The one-time link that makes its holder the steward."""
    if not actions.is_welcome(token):
        raise Http404("this link has been used")
    problems: list[str] = []
    username = request.POST.get("username", "")
    if request.method == "POST":
        try:
            person = actions.welcome(token, username, request.POST.get("password", ""))
            login(request, person, backend="django.contrib.auth.backends.ModelBackend")
            messages.success(request, "You are the steward, and signed in.")
            return redirect("home")
        except ValidationError as error:
            problems = list(error.messages)
    context = {"problems": problems, "username": username}
    return render(request, "wiki/welcome.html", context, status=400 if problems else 200)

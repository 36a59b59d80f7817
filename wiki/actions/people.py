"""People: the first steward, tokens for scripts, and leaving."""

from __future__ import annotations

import secrets

from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from knox.models import AuthToken

from wiki.models import StewardLink
from workers.engine.documents.canonical import sha256

SPENT = "This link has been used or replaced. `manage.py up` prints a new one while there is no steward."


def invite_steward() -> str | None:
    """The token of a new one-time link, in place of earlier ones; None if there is a steward already."""
    if User.objects.filter(is_staff=True, is_active=True).exists():
        return None
    token = secrets.token_urlsafe(24)
    with transaction.atomic():
        StewardLink.objects.filter(used_at__isnull=True).delete()
        StewardLink.objects.create(token_sha256=sha256(token))
    return token


def is_welcome(token: str) -> bool:
    """Whether the link is still unused."""
    return StewardLink.objects.filter(token_sha256=sha256(token), used_at__isnull=True).exists()


def welcome(token: str, username: str, password: str) -> User:
    """Makes the link's holder the steward, once. Raises ValidationError."""
    person = User(username=username, is_staff=True)
    person.set_password(password)
    validate_password(password, person)
    person.full_clean()
    with transaction.atomic():
        person.save()
        link = StewardLink.objects.filter(token_sha256=sha256(token), used_at__isnull=True)
        if not link.update(used_at=timezone.now(), used_by=person):
            raise ValidationError(SPENT)
    return person


def script_account(name: str, steward: bool) -> tuple[User, bool]:
    """The person of that name, or a new account that has tokens and no password, and whether it is new.

    Raises ValidationError for a name that cannot be had; nobody who is there already is made a steward by this.
    """
    person = User.objects.filter(username=name).first()
    if person is not None and not person.is_active:
        raise ValidationError(f"{name!r} was deactivated; choose another name")
    if person is not None and steward and not person.is_staff:
        raise ValidationError(f"{name!r} is there already and no steward; choose another name")
    if person is not None:
        return person, False
    person = User(username=name, is_staff=steward)
    person.set_unusable_password()
    person.full_clean()
    person.save()
    return person, True


def make_token(person: User) -> str:
    """A token for scripts: shown this once, stored hashed."""
    _, token = AuthToken.objects.create(user=person)
    return str(token)


def deactivate(person: User) -> None:
    """People are never deleted: what they wrote stays theirs. Their tokens end."""
    with transaction.atomic():
        AuthToken.objects.filter(user=person).delete()
        User.objects.filter(pk=person.pk).update(is_active=False)

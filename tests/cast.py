"""One small cast: Ada writes, Bo reviews and is the steward, Cy only reads. And the documents they write about."""

from dataclasses import dataclass

from django.contrib.auth.models import User

PASSWORD = "a long enough password"


@dataclass(frozen=True)
class Cast:
    ada: User
    bo: User
    cy: User


def cast() -> Cast:
    return Cast(
        ada=User.objects.create_user("ada", password=PASSWORD),
        bo=User.objects.create_user("bo", password=PASSWORD, is_staff=True),
        cy=User.objects.create_user("cy", password=PASSWORD),
    )

"""The first steward, tokens, and leaving."""

from io import StringIO

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from knox.auth import TokenAuthentication
from knox.models import AuthToken
from rest_framework.exceptions import AuthenticationFailed

from tests.cast import PASSWORD
from wiki import actions
from wiki.models import StewardLink


@pytest.mark.django_db
def test_the_stewards_link_works_once(client):
    token = actions.invite_steward()
    assert token is not None and not StewardLink.objects.filter(token_sha256__contains=token).exists()
    page = f"/welcome/{token}/"
    assert client.get(page).status_code == 200
    answer = client.post(page, {"username": "bo", "password": PASSWORD})
    assert answer.status_code == 302
    steward = StewardLink.objects.get().used_by
    assert (steward.username, steward.is_staff, steward.is_superuser) == ("bo", True, False)
    assert client.session["_auth_user_id"] == str(steward.pk)
    assert client.get(page).status_code == 404
    with pytest.raises(ValidationError):
        actions.welcome(token, "cy", PASSWORD)


@pytest.mark.django_db
def test_a_weak_password_or_a_taken_name_leaves_the_link_unused(people):
    people.bo.is_staff = False
    people.bo.save()
    token = actions.invite_steward()
    for name, password in (("bob", "password"), ("ada", PASSWORD), ("no spaces", PASSWORD)):
        with pytest.raises(ValidationError):
            actions.welcome(token, name, password)
    assert actions.is_welcome(token)


@pytest.mark.django_db
def test_a_new_link_replaces_the_last_one():
    first = actions.invite_steward()
    second = actions.invite_steward()
    assert (actions.is_welcome(first), actions.is_welcome(second)) == (False, True)


def test_there_is_no_link_while_there_is_a_steward(people):
    assert actions.invite_steward() is None


def test_a_token_is_printed_once_and_kept_hashed(people):
    out = StringIO()
    call_command("token", "ada", stdout=out)
    token = out.getvalue().strip()
    assert TokenAuthentication().authenticate_credentials(token.encode())[0] == people.ada
    assert not AuthToken.objects.filter(digest=token).exists()


@pytest.mark.django_db
def test_a_new_name_becomes_an_account_for_scripts_that_nobody_can_sign_in_with():
    out, err = StringIO(), StringIO()
    call_command("token", "importer", stdout=out, stderr=err)
    importer = TokenAuthentication().authenticate_credentials(out.getvalue().strip().encode())[0]
    assert (importer.username, importer.is_staff, importer.has_usable_password()) == ("importer", False, False)
    assert "new account" in err.getvalue()


def test_a_token_makes_nobody_a_steward_who_is_there_already(people):
    with pytest.raises(CommandError, match="no steward"):
        call_command("token", "ada", steward=True)
    actions.deactivate(people.ada)
    with pytest.raises(CommandError, match="deactivated"):
        call_command("token", "ada")


def test_who_leaves_keeps_the_words_and_loses_the_tokens(people):
    token = actions.make_token(people.ada)
    actions.deactivate(people.ada)
    with pytest.raises(AuthenticationFailed):
        TokenAuthentication().authenticate_credentials(token.encode())

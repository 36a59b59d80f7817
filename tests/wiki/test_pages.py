"""Every page answers, says what it should, and lets in whom it should."""

import json
import re

import pytest
from django.test import Client
from django.urls import reverse

from tests.wiki import documents, work
from tests.wiki.documents import DOES, EACH, IN_WORDS, KNOCK_OUT
from tests.wiki.work import work_off
from wiki import actions
from wiki.models import Finding, Revision, Run

ROLE = {
    "slug": "copier",
    "title": "Copier",
    "definition": "Copies.",
    "decided_by": "causal",
    "test": {"words": "Knock it out.", "level": "primary"},
    "body": "Some *prose*.",
}
PUBLIC = (
    *("/", "/findings/", "/findings/?q=copying", "/findings/copying/", "/findings/copying/live/"),
    *("/findings/copying/claims/does/", "/findings/copying/claims/in-words/", "/findings/copying/history/"),
    *("/findings/copying/revisions/1/", "/findings/copying/revisions/2/diff/", "/findings/copying/finding.json"),
    *("/behaviors/", "/behaviors/repeat/", "/behaviors/repeat/history/", "/models/", "/models/small/"),
    *("/models/small/heads/1.0/", "/models/small/heads/0.0/", "/roles/", "/roles/copier/", "/runs/"),
    *("/how-checking-works/", "/accounts/login/", "/accounts/signup/"),
    *("/badge/copying.svg", "/healthz", "/robots.txt", "/llms.txt"),
)
FOR_WRITERS = (
    *("/account/", "/findings/new/", "/findings/copying/edit/", "/findings/copying/revisions/1/revert/"),
    *("/behaviors/new/", "/roles/copier/edit/"),
)


@pytest.fixture
def copying(neighbors, ada) -> Finding:
    """A finding with two revisions whose newer one has been measured."""
    role = actions.publish("role", ROLE, ada)
    circuit = {"nodes": [{"component": "1.0", "role": "copier", "note": "the only one"}], "edges": []}
    more = {
        "circuit": circuit,
        "roles": {"copier": role.sha256},
        "body": "Prose with <script>alert(1)</script> *stress*.",
    }
    documents.publish(ada, DOES, summary="Before.", **more)
    documents.publish(ada, DOES, KNOCK_OUT, IN_WORDS, summary="After.", **more)
    work_off()
    return documents.finding()


@pytest.fixture
def as_ada(ada) -> Client:
    client = Client()
    client.force_login(ada)
    return client


def page(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, (path, response.status_code)
    return response.content.decode()


def test_everyone_may_read_everything(client, copying):
    for path in PUBLIC:
        page(client, path)


def test_no_page_has_inline_style_or_script(client, as_ada, copying):
    paths = [path for path in PUBLIC if path.endswith("/")]
    for reader, path in [*((client, path) for path in paths), *((as_ada, path) for path in FOR_WRITERS)]:
        html = page(reader, path)
        assert not re.search(r"\sstyle=|\son\w+=|<style|javascript:", html), path
        assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", html)), path


def test_writing_needs_an_account(client, copying):
    for path in FOR_WRITERS:
        response = client.get(path)
        assert response.status_code == 302 and response["Location"].startswith("/accounts/login/"), path


def test_writers_may_write(as_ada, copying):
    for path in FOR_WRITERS:
        page(as_ada, path)


def test_only_stewards_register_models(as_ada, people, copying):
    assert as_ada.get("/models/new/").status_code == 403
    steward = Client()
    steward.force_login(people.bo)
    assert "Write a model" in page(steward, "/models/new/")


def test_a_finding_shows_expected_beside_measured_with_draws_and_control(client, copying):
    html = page(client, "/findings/copying/")
    assert copying.badge == "verified" and 'class="badge state-verified large"' in html
    knock_out = html.partition('id="claim-knock-out"')[2].partition("</article>")[0]
    for words in ("Holds", "at most −0.3", "<strong>−1.00</strong>", "Public draw", "Fresh draw 1", "specific"):
        assert words in knock_out
    assert "0 of 30 random sets at least as extreme" in knock_out
    assert 'class="picture interval"' in knock_out and 'class="picture control"' in knock_out


def test_a_finding_shows_its_circuit_and_what_covers_it(client, copying):
    html = page(client, "/findings/copying/")
    assert 'class="picture circuit"' in html and 'href="/models/small/heads/1.0/"' in html
    assert 'a claim that holds (<span class="quiet"><a href="#claim-knock-out">knock-out</a>' in html
    assert 'href="/roles/copier/#test">role not tested</a>' in html and "the only one" in html


TESTED = ROLE["test"] | {
    "technique": "ablation",
    "claims": [
        {
            "technique": "ablation",
            "spec": {"metric": "accuracy", "report": "change", "components": ["$head"]},
            "expect": {"at_most": -0.2},
            "words": "The head alone.",
        },
        {"technique": "attention_pattern", "spec": {"components": ["$head[induction]"]}},
    ],
}


@pytest.mark.parametrize(("spoilt", "told"), [(0, "role tested: holds"), (64, "role tested: fails")])
def test_a_role_whose_own_test_was_run_says_so_wherever_the_head_is_shown(client, neighbors, ada, spoilt, told):
    role = actions.publish("role", ROLE | {"test": TESTED}, ada)
    circuit = {"nodes": [{"component": "1.0", "role": "copier"}, {"component": "1.1"}]}
    claim = KNOCK_OUT | {"expect": {"at_most": -0.2}}
    documents.publish(ada, claim, circuit=circuit, roles={"copier": role.sha256})
    work_off(spoilt=spoilt)
    outcome = told.rpartition(" ")[2]
    for path in ("/findings/copying/", "/models/small/heads/1.0/", "/roles/copier/"):
        cell = f'<span class="tested state-{outcome}"><svg viewBox="0 0 16 16"'
        html = page(client, path)
        assert cell in html and html.count(f'href="/roles/copier/#test">{told}</a>') == 1, path
    assert f"1.0, copier ({told}); covered by:" in page(client, "/findings/copying/")
    assert f"tested as copier: {outcome}" in page(client, "/models/small/")
    nodes = client.get("/api/v1/findings/copying/").json()["nodes"]
    assert [node["role_tested"] for node in nodes] == [outcome, None]
    heads = client.get("/api/v1/heads/?model=small&head=1.0").json()["results"]
    assert [head["role_tested"] for head in heads] == [outcome]


def test_a_role_says_what_a_finding_has_to_claim_for_it_to_be_tested(client, db, ada):
    actions.publish("role", ROLE | {"test": TESTED}, ada)
    html = page(client, "/roles/copier/").partition("What tests it here")[2]
    assert '<a href="/techniques/ablation/">Ablation</a>' in html and "at most −0.2" in html
    assert "&quot;components&quot;: [&quot;$head&quot;]" in html and "The head alone." in html
    assert "all of these claims" in html and "no threshold published" in html


def test_a_role_that_nothing_computes_says_so(client, copying):
    assert "No technique here computes it" in page(client, "/roles/copier/")


def test_a_claim_about_many_heads_shows_their_map_and_folds_their_intervals(client, neighbors, ada):
    documents.publish(ada, EACH)
    work_off()
    html = page(client, "/findings/copying/")
    for draw in ("public draw", "fresh draw 1"):
        name = f"Map of layers by heads, claim each, {draw}"
        assert f'<div class="scroll" role="region" aria-label="{name}" tabindex="0"><svg' in html
    assert "<details><summary>The interval of each (public draw)</summary><figure><svg" in html
    run = page(client, f"/runs/{Run.objects.filter(measurement__technique='ablation').earliest('pk').pk}/")
    assert "the 6 of 8 components that differ most from the untouched run; the other 2 are left out here" in run


def test_a_claim_in_words_is_marked_as_no_evidence(client, copying):
    html = page(client, "/findings/copying/")
    assert "No machine can check this claim" in html.partition('id="claim-in-words"')[2]


def test_a_finding_can_be_repeated_embedded_and_downloaded(client, copying):
    html = page(client, "/findings/copying/")
    command = (
        "curl -s http://testserver/api/v1/findings/copying/bundle/ &gt; f.json &amp;&amp; python -m workers.engine"
    )
    assert command in html and "http://testserver/badge/copying.svg" in html
    downloaded = client.get("/findings/copying/finding.json")
    assert downloaded["Content-Disposition"] == 'attachment; filename="copying.json"'
    assert json.loads(downloaded.content)["slug"] == "copying"


def test_prose_is_sanitised(client, copying):
    html = page(client, "/findings/copying/")
    assert "<em>stress</em>" in html and "alert(1)" not in html


def test_a_finding_costs_a_fixed_number_of_queries(client, copying, ada, django_assert_max_num_queries):
    page(client, "/findings/copying/")
    with django_assert_max_num_queries(16):
        page(client, "/findings/copying/")


def test_a_claim_page_shows_the_spread_and_the_environment(client, copying):
    html = page(client, "/findings/copying/claims/knock-out/")
    assert html.count('class="picture spread"') == 2
    assert "Draw 0 (public)" in html and "Draw 1 (fresh)" in html and "weights sha256" in html


def test_a_run_says_where_it_stands(client, neighbors, ada):
    documents.publish(ada, DOES)
    run = Run.objects.waiting().first()
    waiting = page(client, f"/runs/{run.pk}/")
    assert "Queued" in waiting and f'hx-get="/runs/{run.pk}/live/"' in waiting
    work_off()
    finished = page(client, f"/runs/{run.pk}/")
    assert "Finished" in finished and "hx-get" not in finished.partition("<main")[2]
    assert client.get(f"/runs/{run.pk}/live/")["HX-Refresh"] == "true"


def test_a_finding_being_checked_asks_for_news_and_stops_when_it_is_decided(client, neighbors, ada):
    documents.publish(ada, DOES, KNOCK_OUT)
    before = page(client, "/findings/copying/")
    assert 'hx-get="/findings/copying/live/?judged=0"' in before
    assert 'id="evidence"' not in page(client, "/findings/copying/live/?judged=0")
    work_off()
    after = page(client, "/findings/copying/live/?judged=0")
    assert "hx-get" not in after and "Verified" in after and 'id="evidence" hx-swap-oob="true"' in after


def test_the_model_map_marks_covered_heads(client, copying):
    html = page(client, "/models/small/")
    assert 'class="cell role-1 covered"' in html and "1.0: copier; 1 finding; covered by a claim that holds" in html
    assert client.get("/models/small/heads/0.8/").status_code == 404


@pytest.mark.parametrize(
    ("query", "found"),
    [
        *(("q=copying", True), ("q=COPIER+1.0", True), ("q=nonsense", False), ("head=1.0", True), ("head=1.1", False)),
        *(("head=x", False), ("badge=verified", True), ("badge=refuted", False), ("role=copier", True)),
        *(("behavior=repeat&model=small", True), ("model=other", False)),
    ],
)
def test_findings_are_found_by_words_and_filters(client, copying, query, found):
    assert ("Copying in Small" in page(client, f"/findings/?{query}")) is found


def test_the_badge_is_a_picture_with_the_word(client, copying):
    response = client.get("/badge/copying.svg")
    assert response["Content-Type"].startswith("image/svg+xml") and "Verified" in response.content.decode()
    assert client.get("/badge/none.svg").status_code == 404


def test_a_missing_page_says_so_in_our_style(client, db):
    response = client.get("/findings/none/")
    assert response.status_code == 404 and "There is nothing at this address" in response.content.decode()


def test_a_broken_page_says_so_in_our_style(db, monkeypatch):
    monkeypatch.setattr("wiki.views.home._grid", lambda: 1 / 0)
    response = Client(raise_request_exception=False).get("/")
    assert response.status_code == 500 and "Something broke on our side" in response.content.decode()


def test_an_edit_makes_a_revision(as_ada, copying):
    form = page(as_ada, "/findings/copying/edit/")
    assert "CC BY 4.0" in form
    changed = document_of(copying) | {"summary": "Edited."}
    response = as_ada.post("/findings/copying/edit/", sent(copying, changed, summary="why"))
    assert response["Location"] == "/findings/copying/"
    newest = Revision.objects.filter(entry=copying.entry).first()
    assert (newest.number, newest.summary, newest.author.username) == (3, "why", "ada")


def test_a_refused_edit_keeps_the_text_and_lists_every_problem(as_ada, copying):
    changed = document_of(copying) | {"title": "", "nonsense": 1}
    response = as_ada.post("/findings/copying/edit/", sent(copying, changed))
    html = response.content.decode()
    assert response.status_code == 400 and "2 things to change" in html
    assert "<code>nonsense</code>" in html and "<code>title</code>" in html and "&quot;nonsense&quot;: 1" in html


def test_an_edit_stays_at_its_address(as_ada, copying):
    response = as_ada.post("/findings/copying/edit/", sent(copying, document_of(copying) | {"slug": "other"}))
    assert response.status_code == 400 and "stays so" in response.content.decode()


def test_text_that_is_no_json_is_refused_with_the_place(as_ada, copying):
    response = as_ada.post("/findings/copying/edit/", {"document": "{oops", "expected": ""})
    assert response.status_code == 400 and "not valid JSON" in response.content.decode()


def test_two_edits_at_once_keep_both_texts(as_ada, copying):
    mine = sent(copying, document_of(copying) | {"summary": "Mine."})
    actions.publish("finding", document_of(copying) | {"summary": "Theirs."}, copying.entry.current.author)
    response = as_ada.post("/findings/copying/edit/", mine)
    html = response.content.decode()
    assert response.status_code == 409 and "Mine." in html and "Theirs." in html
    again = as_ada.post(
        "/findings/copying/edit/", mine | {"expected": re.search(r'"expected" value="([^"]+)"', html)[1]}
    )
    assert again.status_code == 302 and documents.finding().summary == "Mine."


def test_a_new_entry_does_not_take_an_address_that_is_taken(as_ada, copying):
    response = as_ada.post("/findings/new/", {"document": json.dumps(document_of(copying)), "expected": ""})
    assert response.status_code == 400 and "exists already" in response.content.decode()


def test_the_skeletons_of_new_documents_are_json(as_ada, neighbors):
    for kind in ("finding", "behavior", "role"):
        assert f"Write a {kind}" in page(as_ada, f"/{kind}s/new/")


def test_a_revert_is_a_new_revision(as_ada, copying):
    assert "added" in page(as_ada, "/findings/copying/revisions/1/revert/")
    as_ada.post("/findings/copying/revisions/1/revert/")
    assert documents.finding().entry.current.number == 3 and documents.finding().summary == "Before."


def test_a_failed_claim_that_was_removed_stays_listed(as_ada, neighbors, ada):
    documents.publish(ada, DOES, KNOCK_OUT)
    work_off(spoilt=64)
    documents.publish(ada, DOES)
    assert "Withdrawn after failing" in page(as_ada, "/findings/copying/")


def test_an_errored_claim_can_be_run_again_by_who_is_signed_in(client, as_ada, neighbors, ada):
    documents.publish(ada, DOES)
    worker = work.worker()
    while (run := actions.claim_run(worker)) is not None:
        actions.record_error(run, "out of memory")
    assert "Run it again" not in page(client, "/findings/copying/")
    html = page(as_ada, "/findings/copying/")
    assert "out of memory" in html.lower() and "Run it again" in html
    as_ada.post("/findings/copying/claims/does/again/")
    assert Run.objects.waiting().count() == 2


def test_a_token_is_shown_once_and_can_be_revoked(as_ada, ada):
    html = as_ada.post(reverse("token-make")).content.decode()
    token = re.search(r'id="token">([^<]+)<', html)[1]
    assert token not in page(as_ada, "/account/")
    digest = re.search(r'name="digest" value="([^"]+)"', html)[1]
    others = Client()
    assert others.post(reverse("token-revoke"), {"digest": digest}).status_code == 302
    as_ada.post(reverse("token-revoke"), {"digest": digest})
    assert "You have none" in page(as_ada, "/account/")


def test_a_token_of_somebody_else_cannot_be_revoked(as_ada, people):
    actions.make_token(people.bo)
    digest = people.bo.auth_token_set.get().digest
    assert as_ada.post(reverse("token-revoke"), {"digest": digest}).status_code == 404


def test_the_welcome_link_makes_a_steward_once(client, db):
    token = actions.invite_steward()
    assert "Welcome, steward" in page(client, f"/welcome/{token}/")
    short = client.post(f"/welcome/{token}/", {"username": "eve", "password": "123"})
    assert short.status_code == 400 and "too short" in short.content.decode()
    made = client.post(f"/welcome/{token}/", {"username": "eve", "password": "a long enough password"})
    assert made["Location"] == "/" and "eve" in page(client, "/account/")
    assert client.get(f"/welcome/{token}/").status_code == 404


def test_signing_up_and_in_works_with_a_name_and_a_password(client, db):
    password = "correct horse battery staple"
    client.post("/accounts/signup/", {"username": "dana", "password1": password, "password2": password})
    assert "dana" in page(client, "/account/")
    client.post("/accounts/logout/")
    wrong = client.post("/accounts/login/", {"login": "dana", "password": "wrong"})
    assert wrong.status_code == 200 and "not correct" in wrong.content.decode()
    assert client.post("/accounts/login/", {"login": "dana", "password": password}).status_code == 302


def document_of(finding: Finding) -> dict:
    return json.loads(documents.finding(finding.slug).entry.current.text)


def sent(finding: Finding, changed: dict, summary: str = "") -> dict[str, str]:
    expected = documents.finding(finding.slug).entry.current.sha256
    return {"document": json.dumps(changed), "expected": expected, "summary": summary}

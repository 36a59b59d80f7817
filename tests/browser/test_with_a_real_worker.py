"""The whole loop, nothing of it made by hand: sign up, edit a claim, and watch a worker give the new verdict."""

import pytest

from tests.cast import PASSWORD
from tests.workers.site import BEHAVIOR, MODEL, Site, write_folder
from workers.engine.documents.kinds import DOCUMENTS

pytestmark = pytest.mark.browser
PATIENCE = 240_000  # milliseconds

NEEDED = {
    "slug": "needed",
    "title": "Two heads that induction needs",
    "behavior": {"slug": "induction", "revision": DOCUMENTS["behavior"].from_json(BEHAVIOR).sha256},
    "model": {"slug": "induction-2l", "revision": DOCUMENTS["model"].from_json(MODEL).sha256},
    "circuit": {"nodes": [{"component": "1.2"}, {"component": "1.5"}]},
    "claims": [
        {
            "id": "needed",
            "technique": "ablation",
            "spec": {"metric": "accuracy", "components": ["1.2", "1.5"]},
            "expect": {"at_most": -0.5},
        }
    ],
}


@pytest.fixture
def site(tmp_path):
    write_folder(tmp_path / "documents", NEEDED)
    site = Site(tmp_path)
    site.start()
    yield site
    site.stop()


def test_an_edited_claim_is_measured_anew_and_the_badge_comes_back(site, chromium):
    context = chromium.new_context(base_url=f"http://127.0.0.1:{site.port}")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto("/findings/needed/")
    verdict = page.locator("#verdict .badge")
    page.locator("#verdict .badge", has_text="Verified").wait_for()

    page.goto("/accounts/signup/")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password (again)").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign up").click()
    page.wait_for_url("**/")

    page.goto("/findings/needed/edit/")
    text = page.get_by_label("Document").input_value()
    page.get_by_label("Document").fill(text.replace('"at_most": -0.5', '"at_most": -0.2, "at_least": -1'))
    page.get_by_role("main").get_by_role("button", name="Save").click()
    assert "exactly one" in page.get_by_role("main").inner_text()

    page.get_by_label("Document").fill(text.replace('"at_most": -0.5', '"at_most": -1.5'))
    page.get_by_role("main").get_by_role("button", name="Save").click()
    page.wait_for_url("**/findings/needed/")
    assert verdict.inner_text() == "Checking"
    page.locator("#verdict .badge", has_text="Refuted").wait_for()
    claim = page.locator("#claim-needed").inner_text()
    assert "at most −1.5" in claim and "stated after measuring" in claim
    fresh = site.rows("SELECT draw FROM wiki_run WHERE state = 'finished' AND draw > 1 ORDER BY draw")
    assert fresh == [(2,), (3,)]
    context.close()

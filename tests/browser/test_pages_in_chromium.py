"""The pages in a real browser: accessible in light, dark and on a phone, live, and whole without scripts."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.cast import PASSWORD
from tests.wiki import documents
from tests.wiki.documents import DOES, EACH, IN_WORDS, KNOCK_OUT
from tests.wiki.work import work_off
from wiki import actions
from wiki.models import Run

pytestmark = pytest.mark.browser

LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1200, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1200, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
}
READ = (
    *("/", "/findings/", "/findings/copying/", "/findings/copying/claims/knock-out/", "/findings/copying/history/"),
    *("/findings/copying/revisions/1/", "/findings/copying/revisions/2/diff/", "/behaviors/", "/behaviors/repeat/"),
    *("/models/", "/models/small/", "/models/small/heads/1.0/", "/roles/", "/roles/copier/", "/runs/", "/runs/RUN/"),
    *("/techniques/", "/techniques/path-patching/", "/findings/each/", "/findings/each/claims/each/"),
    *("/how-checking-works/", "/accounts/login/", "/accounts/signup/", "/none/"),
)
WRITE = (
    *("/account/", "/findings/new/", "/findings/copying/edit/", "/findings/copying/revisions/1/revert/"),
    *("/accounts/logout/", "/accounts/password/change/"),
)
ROLE = {
    "slug": "copier",
    "title": "Copier",
    "definition": "Copies.",
    "decided_by": "causal",
    "test": {"words": "Knock it out.", "level": "primary"},
}


@pytest.fixture
def copying(people):
    documents.neighbors()
    role = actions.publish("role", ROLE, people.ada)
    nodes = [{"component": "1.0", "role": "copier"}, {"component": "mlp.0"}]
    circuit = {"nodes": nodes, "edges": [["mlp.0", "1.0.q"]]}
    more = {"circuit": circuit, "roles": {"copier": role.sha256}, "body": "|a|b|\n|-|-|\n|1|2|\n"}
    documents.publish(people.ada, DOES, **more)
    documents.publish(people.ada, DOES, KNOCK_OUT, IN_WORDS, **more)
    documents.publish(people.ada, EACH, slug="each", title="Each head")
    work_off()


@pytest.fixture
def open_page(chromium, live_server):
    """Opens a page in a look; whatever the browser complains about is in its `complaints`."""
    contexts = []

    def opened(look="light", **more):
        context = chromium.new_context(base_url=live_server.url, **LOOKS[look], **more)
        contexts.append(context)
        page = context.new_page()
        page.complaints = []
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("console", lambda said: page.complaints.append(said.text) if said.type == "error" else None)
        return page

    yield opened
    for context in contexts:
        context.close()


def sign_in(page, name="ada"):
    page.goto("/accounts/login/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")


def faults(page, path):
    """Accessibility rules the page breaks, what the browser complains about, and how much too wide it is."""
    page.complaints.clear()
    status = page.goto(path).status
    broken = [(rule["id"], rule["nodes"][0]["html"]) for rule in Axe().run(page).response["violations"]]
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    complaints = [said for said in page.complaints if "404" not in said]
    return (
        [*broken, *complaints, *([f"{wider} pixels too wide"] if wider > 0 else [])] if status in (200, 404) else status
    )


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_accessible_quiet_and_fits(copying, open_page, look):
    page = open_page(look)
    paths = [path.replace("RUN", str(Run.objects.first().pk)) for path in READ]
    found = {path: faults(page, path) for path in paths}
    sign_in(page)
    found |= {path: faults(page, path) for path in WRITE}
    assert {path: fault for path, fault in found.items() if fault} == {}


def test_editing_a_claim_sends_the_badge_back_to_checking_and_it_returns_as_one_watches(copying, open_page):
    page = open_page()
    sign_in(page)
    page.goto("/findings/copying/")
    badge = page.locator("#verdict .badge")
    assert badge.inner_text() == "Partly verified"
    page.get_by_role("button", name="Edit").click()
    text = page.get_by_label("Document").input_value()
    page.get_by_label("Document").fill(text.replace('"at_most": -0.3', '"at_most": -0.4'))
    page.get_by_label("What does this edit change?").fill("A stronger expectation")
    page.get_by_role("main").get_by_role("button", name="Save").click()
    page.wait_for_url("**/findings/copying/")
    assert badge.inner_text() == "Checking"
    page.evaluate("window.watched = true")
    work_off()
    page.locator("#verdict .badge", has_text="Partly verified").wait_for()
    assert page.evaluate("window.watched"), "the page was not loaded anew"
    claim = page.locator("#claim-knock-out")
    assert "at most −0.4" in claim.inner_text() and "stated after measuring" in claim.inner_text()
    assert page.complaints == []


def test_a_refused_edit_keeps_what_was_written(copying, open_page):
    page = open_page()
    sign_in(page)
    page.goto("/findings/copying/edit/")
    page.get_by_label("Document").fill('{"kind": "finding", "slug": "copying"}')
    page.get_by_role("main").get_by_role("button", name="Save").click()
    assert re.search(r"Not saved: \d+ things to change", page.get_by_role("alert").inner_text())
    assert page.get_by_label("Document").input_value() == '{"kind": "finding", "slug": "copying"}'


def test_a_page_is_whole_without_scripts(copying, open_page):
    page = open_page(java_script_enabled=False)
    page.goto("/findings/copying/")
    assert page.locator("#verdict .badge").inner_text() == "Partly verified"
    assert page.locator("svg.circuit").count() == 1 and page.locator("svg.interval").count() == 2


def test_a_map_wider_than_a_phone_scrolls_by_itself_and_by_keyboard(copying, open_page):
    page = open_page("phone")
    page.set_viewport_size({"width": 320, "height": 700})
    page.goto("/findings/each/")
    region = page.get_by_role("region", name="Map of layers by heads, claim each, public draw")
    assert region.evaluate("one => one.scrollWidth > one.clientWidth")
    region.press("ArrowRight")
    page.wait_for_timeout(500)  # it scrolls smoothly
    assert region.evaluate("one => one.scrollLeft") > 0


def test_the_keyboard_reaches_the_content_first(copying, open_page):
    page = open_page()
    page.goto("/findings/copying/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def test_the_repeat_command_is_copied(copying, open_page):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.goto("/findings/copying/")
    page.get_by_role("button", name="Copy").first.click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").startswith("curl -s http")

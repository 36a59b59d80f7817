"""The stewards' page in a real browser: accessible, live without losing the keyboard's place, whole without scripts."""

import pytest

from tests.browser.test_pages_in_chromium import LOOKS, faults, open_page, sign_in  # noqa: F401 - open_page is a fixture
from tests.wiki import documents
from tests.wiki.documents import DOES, KNOCK_OUT
from tests.wiki.work import worker
from wiki import actions
from wiki.models import Run, Worker

pytestmark = pytest.mark.browser
REASONS = ("out of memory: the engine took 9,120 MiB of 8,192", "'When': no position S2", "given up after 3 attempts")


@pytest.fixture
def busy(people):
    """Some of everything: failures, a run under way, one that waits and nobody can take, a worker that ended."""
    documents.neighbors()
    documents.publish(people.ada, DOES, KNOCK_OUT)
    actions.take_leave(worker("desk-17", memory=163_840).name)
    here = worker("desk-4242", memory=8_192)
    for number in range(Run.objects.waiting().count() - 2):
        actions.record_error(actions.claim_run(here), REASONS[number % len(REASONS)])
    actions.beat(actions.claim_run(here), 96, 256, "measuring")
    Worker.objects.filter(name="desk-4242").update(loadable=["sha256:" + "b" * 64])


@pytest.fixture
def page_of(open_page, busy):  # noqa: F811 - the fixture of that name
    def opened(look="light", **more):
        page = open_page(look, **more)
        sign_in(page, "bo")
        return page

    return opened


@pytest.mark.parametrize("look", LOOKS)
def test_the_page_is_accessible_quiet_and_fits(page_of, look):
    page = page_of(look)
    assert faults(page, "/stewards/") == []
    assert page.get_by_role("link", name="Stewards").is_visible()


def test_the_tables_keep_themselves_up_to_date_and_the_keyboard_its_place(page_of):
    page = page_of()
    page.goto("/stewards/")
    button = page.locator("#failures ~ .scroll button").first
    button.focus()
    focused = page.evaluate("document.activeElement.id")
    page.evaluate("window.watched = true")
    run = Run.objects.get(state="running")
    actions.beat(run, 200, 256, "measuring")
    page.get_by_text("200 of 256").wait_for(timeout=15_000)
    assert page.evaluate("window.watched"), "the page was not loaded anew"
    assert focused.startswith("retry-") and page.evaluate("document.activeElement.id") == focused
    assert page.complaints == []


def test_without_scripts_the_page_is_whole_and_its_buttons_work(page_of):
    page = page_of(java_script_enabled=False)
    page.goto("/stewards/")
    assert page.locator("table").count() == 5
    Worker.objects.filter(name="desk-4242").update(loadable=[documents.WEIGHTS])
    page.get_by_role("button", name="Retry all 2").first.click()
    assert "Queued again: 2 of 2." in page.get_by_role("status").inner_text()


def test_a_table_stays_scrolled_sideways_on_a_phone(page_of):
    page = page_of("phone")
    page.goto("/stewards/")
    table = page.get_by_role("region", name="Table of failed runs")
    table.evaluate("table => { table.scrollLeft = 120 }")
    actions.beat(Run.objects.get(state="running"), 200, 256, "measuring")
    page.locator("text=200 of 256").wait_for(state="attached", timeout=15_000)
    assert table.evaluate("table => table.scrollLeft") == 120

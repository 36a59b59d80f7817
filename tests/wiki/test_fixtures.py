"""Loading folders of documents: in order, as often as one likes, and never over what people have written."""

import json
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from tests.wiki import documents
from tests.wiki.documents import DOES, document
from wiki import actions
from wiki.models import Entry, Revision, Run


def write(folder, kind: str, name: str, content: object) -> None:
    (folder / kind).mkdir(exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / kind / f"{name}.json").write_text(text)


@pytest.fixture
def folder(tmp_path, db):
    write(tmp_path, "findings", "copying", document(DOES))
    write(tmp_path, "models", "small", documents.MODEL)
    write(tmp_path, "behaviors", "repeat", documents.BEHAVIOR)
    return tmp_path


def load(folder) -> str:
    out = StringIO()
    call_command("load", str(folder), stdout=out, stderr=out)
    return out.getvalue()


def test_a_folder_is_loaded_in_an_order_in_which_everything_is_there(folder):
    assert load(folder) == "3 new\n"
    assert Run.objects.waiting().count() == 2


def test_loading_again_changes_nothing(folder):
    load(folder)
    assert load(folder) == "3 unchanged\n"
    assert Revision.objects.count() == 3


def test_a_changed_file_is_a_new_revision(folder):
    load(folder)
    write(folder, "findings", "copying", document(DOES, title="Better"))
    assert load(folder) == "2 unchanged, 1 new\n"
    assert Entry.objects.get(kind="finding").title == "Better"


def test_what_somebody_has_edited_is_left_as_it_is(folder, ada):
    load(folder)
    actions.publish("finding", document(DOES, title="Hers"), ada)
    assert load(folder) == "2 unchanged, 1 edited here\n"
    assert Entry.objects.get(kind="finding").title == "Hers"


def test_data_that_lies_beside_the_documents_is_not_read_as_one(folder):
    write(folder, "models", "pairs", [["a", "b"]])
    assert load(folder) == "3 new\n"


def test_each_wrong_file_is_named_with_what_to_change_and_keeps_no_other_out(folder):
    write(folder, "behaviors", "broken", "{")
    write(folder, "behaviors", "misnamed", documents.BEHAVIOR)
    write(folder, "findings", "wrong", document({**DOES, "expect": {}}, slug="wrong"))
    out = StringIO()
    with pytest.raises(CommandError, match="3 files were not loaded"):
        call_command("load", str(folder), stdout=out, stderr=out)
    said = out.getvalue()
    assert "behaviors/broken.json: this is not valid JSON" in said
    assert "behaviors/misnamed.json: slug: is 'repeat'; a file is named after its slug: 'misnamed'" in said
    assert "findings/wrong.json: claims.0.expect: expect says one thing" in said
    assert "3 new" in said


def test_a_folder_that_is_not_there_is_one_line():
    with pytest.raises(CommandError, match="is no folder"):
        call_command("load", "/nowhere")


@pytest.mark.django_db
def test_what_comes_with_interpedia_loads():
    assert "invalid" not in load(settings.FIXTURES)

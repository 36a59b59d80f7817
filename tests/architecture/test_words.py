"""Names a reader would use, and reasons beside every silenced check."""

import ast
import re
from pathlib import Path

from .tree import ROOT, SOURCES, definitions, modules, plant

EMPTY_WORDS = {"utils", "helpers", "common", "core", "base", "misc", "services", "selectors", "managers"}
EMPTY_ENDINGS = ("Manager", "Handler", "Processor", "Helper")
READ = (*SOURCES, "tests")

# A silenced check, and the words that must follow it on its line, after a second hash or a dash.
SILENCED = re.compile(r"#\s*(?:noqa|type:\s*ignore)\b(?P<rest>.*)")
REASON = re.compile(r"\s(?:#|-|–)\s+\w+\W+\w+")


def empty_module_names(root: Path) -> list[str]:
    return [module.as_posix() for module in modules(root, READ) if EMPTY_WORDS & set(module.with_suffix("").parts)]


def empty_class_names(root: Path) -> list[str]:
    return [
        f"{module.as_posix()}::{node.name}"
        for module in modules(root, READ)
        for node in definitions(root, module, ast.ClassDef)
        if node.name.endswith(EMPTY_ENDINGS)
    ]


def silenced_without_reason(root: Path) -> list[str]:
    return [
        f"{module.as_posix()}:{number}"
        for module in modules(root)
        for number, line in enumerate((root / module).read_text(encoding="utf-8").splitlines(), start=1)
        if (silenced := SILENCED.search(line)) and not REASON.search(silenced["rest"])
    ]


def test_no_module_has_an_empty_name():
    assert empty_module_names(ROOT) == []


def test_no_class_is_a_manager_handler_processor_or_helper():
    assert empty_class_names(ROOT) == []


def test_every_silenced_check_says_why():
    assert silenced_without_reason(ROOT) == []


def test_an_empty_module_or_package_name_is_found(tmp_path):
    plant(tmp_path, "wiki/utils.py")
    plant(tmp_path, "workers/engine/common/record.py")
    plant(tmp_path, "wiki/database.py")
    assert empty_module_names(tmp_path) == ["wiki/utils.py", "workers/engine/common/record.py"]


def test_an_empty_class_name_is_found(tmp_path):
    plant(tmp_path, "workers/queue.py", "class RunManager: ...\nclass Manages: ...\n")
    assert empty_class_names(tmp_path) == ["workers/queue.py::RunManager"]


def test_a_silenced_check_without_a_reason_is_found(tmp_path):
    lines = (
        "import x  # noqa: E402",
        "import y  # noqa: E402 - Django must be set up first",
        "z: int = w  # type: ignore[no-any-return]",
        "z: int = w  # type: ignore[no-any-return]  # the stubs lack it",
    )
    plant(tmp_path, "wiki/a.py", "\n".join(lines))
    assert silenced_without_reason(tmp_path) == ["wiki/a.py:1", "wiki/a.py:3"]

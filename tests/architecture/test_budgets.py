"""Sizes: a module of 300 lines, a function of 40, folders four deep. Docstrings of functions are free."""

import ast
from pathlib import Path

from .tree import ROOT, definitions, is_ours, modules, plant

MODULE_LINES = 300
FUNCTION_LINES = 40
FOLDER_DEPTH = 4

UNCOUNTED = {"config/settings.py", "config/urls.py"}  # tables, read from top to bottom

# What is allowed to be larger, and why: "path" for a module, "path::function" for a function.
EXCEPTIONS: dict[str, str] = {}

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def counted(root: Path) -> list[Path]:
    return [module for module in modules(root) if module.as_posix() not in UNCOUNTED and module.name != "urls.py"]


def long_modules(root: Path) -> list[str]:
    sizes = {
        module.as_posix(): len((root / module).read_text(encoding="utf-8").splitlines()) for module in counted(root)
    }
    return [name for name, size in sizes.items() if size > MODULE_LINES]


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """From `def` to the last line, without the docstring."""
    first = function.body[0]
    docstring = first.end_lineno - first.lineno + 1 if ast.get_docstring(function, clean=False) is not None else 0
    return function.end_lineno - function.lineno + 1 - docstring


def long_functions(root: Path) -> list[str]:
    return [
        f"{module.as_posix()}::{function.name}"
        for module in counted(root)
        for function in definitions(root, module, FUNCTIONS)
        if lines_of(function) > FUNCTION_LINES
    ]


def deep_folders(root: Path) -> list[str]:
    tops = [top for top in root.iterdir() if is_ours(top.relative_to(root))]
    folders = [path.relative_to(root) for top in tops for path in top.rglob("*") if path.is_dir()]
    return sorted(folder.as_posix() for folder in folders if is_ours(folder) and len(folder.parts) > FOLDER_DEPTH)


def test_modules_and_functions_are_within_budget_or_excused_with_a_reason():
    assert set(long_modules(ROOT)) | set(long_functions(ROOT)) <= set(EXCEPTIONS)


def test_every_exception_is_still_needed_and_says_why():
    assert set(EXCEPTIONS) <= set(long_modules(ROOT)) | set(long_functions(ROOT))
    assert all(EXCEPTIONS.values())


def test_folders_are_at_most_four_deep():
    assert deep_folders(ROOT) == []


def test_a_module_of_301_lines_is_found(tmp_path):
    plant(tmp_path, "wiki/long.py", "x = 1\n" * 301)
    plant(tmp_path, "wiki/full.py", "x = 1\n" * 300)
    plant(tmp_path, "wiki/migrations/0001_initial.py", "x = 1\n" * 301)
    plant(tmp_path, "wiki/urls.py", "x = 1\n" * 301)
    assert long_modules(tmp_path) == ["wiki/long.py"]


def test_a_function_of_41_lines_is_found(tmp_path):
    plant(tmp_path, "api/long.py", "class Page:\n    async def get(self):\n" + "        x = 1\n" * 40)
    plant(tmp_path, "api/full.py", "def get():\n    '''Two\n    lines.'''\n" + "    x = 1\n" * 39)
    assert long_functions(tmp_path) == ["api/long.py::get"]


def test_a_fifth_folder_is_found(tmp_path):
    plant(tmp_path, "wiki/one/two/three/four/page.html")
    plant(tmp_path, "wiki/static/vendor/three/four/five.js")
    plant(tmp_path, ".venv/lib/python/site/packages/long/five.py")
    assert deep_folders(tmp_path) == ["wiki/one/two/three/four"]

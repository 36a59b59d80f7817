"""The README names commands and folders that are there."""

import re

from .tree import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_every_folder_of_the_overview_is_there():
    overview = re.findall(r"^( *)(\w+)/  ", README, flags=re.MULTILINE)
    folders = [f"workers/{name}" if indent else name for indent, name in overview]
    assert len(folders) >= 8
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []


def test_every_command_is_a_target_of_the_makefile():
    targets = re.findall(r"^([a-z]+):", MAKEFILE, flags=re.MULTILINE)
    assert set(re.findall(r"\bmake ([a-z]+) ", README)) - set(targets) == set()


def test_every_setting_of_the_table_is_read_somewhere():
    sources = [MAKEFILE, (ROOT / "config/settings.py").read_text(encoding="utf-8")]
    names = re.findall(r"^\| `([A-Z_]+)=`", README, flags=re.MULTILINE)
    assert names
    assert [name for name in names if not any(f"{name}=" in source for source in sources)] == []

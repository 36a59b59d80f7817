"""What docs/operating.md names is there: commands, modules, settings, metrics, services, classes."""

import re

import pytest
from django.core.management import get_commands

from config.queues import CLASSES, classes_for
from tests.containers import COMPOSE, DOCKERFILE, ROOT, written

TEXT = (ROOT / "docs/operating.md").read_text(encoding="utf-8")
SETTINGS = (ROOT / "config/settings.py").read_text(encoding="utf-8")


def test_every_management_command_is_there():
    assert set(re.findall(r"manage\.py ([a-z]+)", TEXT)) - set(get_commands()) == set()


@pytest.mark.parametrize("module", sorted(set(re.findall(r"python -m ([\w.]+)|`(benchmarks\.\w+)`", TEXT))))
def test_every_module_is_there(module):
    path = ROOT / "".join(module).replace(".", "/")
    assert path.is_dir() or path.with_suffix(".py").is_file()


def test_every_setting_is_read_by_something():
    names = set(re.findall(r"`([A-Z_]+)=", TEXT))
    assert names
    unread = {name for name in names if f"{name}=" not in SETTINGS + DOCKERFILE and f"{name}:" not in COMPOSE}
    assert unread == {"COMPOSE_PROFILES"}  # Compose's own


def test_every_metric_is_one_that_is_shown():
    shown = (ROOT / "wiki/metrics.py").read_text(encoding="utf-8")
    names = set(re.findall(r"`(interpedia_\w+)", TEXT))
    assert len(names) >= 5
    assert [name for name in names if f'"{name.removesuffix("_total")}"' not in shown] == []


def test_every_service_that_compose_is_told_of_is_one():
    told = re.findall(r"docker compose (?:stop|exec(?: -T)?) ([\w -]+?)(?: python| pg_dump|  |\n)", TEXT)
    named = {name for words in told for name in words.split()}
    assert {"web", "database", "worker"} <= named <= set(written())


def test_the_table_of_memory_classes_is_the_one_in_use():
    rows = re.findall(r"^\| (\w+) \| ([\d ]+) \| ([\d ]+) \|$", TEXT, flags=re.MULTILINE)
    said = {name: (int(most.replace(" ", "")), int(least.replace(" ", ""))) for name, most, least in rows}
    assert {name: most for name, (most, _) in said.items()} == CLASSES
    for name, (_, least) in said.items():
        assert name in classes_for(least)
        assert name not in classes_for(least - 1)


def test_every_file_it_names_is_there():
    named = re.findall(r"`((?:tests|config|docs|requirements)/[\w./-]+)`|(requirements/[\w.]+)", TEXT)
    assert [name for pair in named for name in pair if name and not (ROOT / name).is_file()] == []

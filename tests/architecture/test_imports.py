"""Each half imports while the other half's packages cannot be: this is what really keeps them apart."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

from .tree import ROOT, dotted, modules, plant

TORCH = ("torch", "transformers")
SITE = ("api", "config", "wiki", "celery", "django", "kombu", "redis", "rest_framework")

# What the site reads of the engine: which documents there are, what they say, and how numbers are judged.
TORCH_FREE = (
    *("documents", "metrics", "prompts", "techniques"),
    *("cost.py", "device.py", "extent.py", "judge.py", "numbers.py", "statistics.py"),
)

# Imports the modules named on the command line, one by one, in a process where some packages are absent.
PROBE = """
import importlib, os, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ImportError(f"{name} is absent here")

absent, names = sys.argv[1].split(","), sys.argv[2:]
sys.meta_path.insert(0, Absent())
if "DJANGO_SETTINGS_MODULE" in os.environ:
    import django
    django.setup()
for name in names:
    try:
        importlib.import_module(name)
    except ImportError as error:
        print(f"{name}: {error}")
"""


def failed_imports(root: Path, names: list[str], absent: tuple[str, ...], settings: str | None = None) -> list[str]:
    environment = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
    if settings is not None:
        environment["DJANGO_SETTINGS_MODULE"] = settings
    command = [sys.executable, "-c", PROBE, ",".join(absent), *names]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def torch_code() -> list[str]:
    """Patterns of the files that ruff lets import torch at their top."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    ignored = settings["tool"]["ruff"]["lint"]["per-file-ignores"]
    return [pattern for pattern, rules in ignored.items() if "TID253" in rules]


def test_the_site_and_the_worker_import_without_torch():
    workers = [module for module in modules(ROOT, ("workers",)) if module.parts[:2] != ("workers", "engine")]
    names = [dotted(module) for module in modules(ROOT, ("api", "config", "wiki")) + workers]
    assert failed_imports(ROOT, names, absent=TORCH, settings="config.settings") == []


def test_what_the_site_reads_of_the_engine_imports_without_torch():
    names = [dotted(module) for part in TORCH_FREE for module in modules(ROOT, (f"workers/engine/{part}",))]
    assert names
    assert failed_imports(ROOT, names, absent=TORCH) == []


def test_the_engine_imports_without_the_site():
    names = [dotted(module) for module in modules(ROOT, ("workers/engine",))]
    assert failed_imports(ROOT, names, absent=SITE) == []


def test_every_file_that_may_import_torch_is_there():
    ours = [pattern for pattern in torch_code() if pattern.startswith("workers/")]
    assert [pattern for pattern in ours if not list(ROOT.glob(pattern))] == []


def test_importing_the_command_line_does_nothing():
    code = "import sys, workers.engine.__main__; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_module_that_imports_an_absent_package_is_found(tmp_path):
    bad = plant(tmp_path, "wiki/bad.py", "import torch.nn\n")
    good = plant(tmp_path, "wiki/good.py", "def run():\n    import torch\n")
    names = [dotted(bad), dotted(good)]
    assert failed_imports(tmp_path, names, absent=TORCH) == ["wiki.bad: torch is absent here"]


def test_a_module_that_imports_an_absent_package_through_another_is_found(tmp_path):
    plant(tmp_path, "workers/engine/settings_reader.py", "from django.conf import settings\n")
    bad = plant(tmp_path, "workers/engine/verify.py", "import workers.engine.settings_reader\n")
    assert failed_imports(tmp_path, [dotted(bad)], absent=SITE) == ["workers.engine.verify: django is absent here"]

"""Where each arm runs: the engine's own environment, or one made here for its peer, in .bench/ (git-ignored)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".bench"
NEWEST, HOOKED = "peers", "peers-transformer-lens-3"
NEEDED = {
    "ours": None,
    "transformer_lens": HOOKED,
    "transformer_lens_by_hand": HOOKED,
    "transformer_lens_bridge": NEWEST,
    "nnsight": NEWEST,
    "pyvene": NEWEST,
    "eap_ig": HOOKED,
}


class Absent(RuntimeError):
    """An arm that cannot run here; the message says why."""


def python_of(arm: str) -> Path:
    """The interpreter that has what the arm needs, in an environment made if need be. Raises Absent."""
    needed = NEEDED[arm]
    if arm == "eap_ig" and eap_ig() is None:
        raise Absent("EAP_IG= names no folder that holds hannamw/EAP-IG (it is in no package index)")
    if needed is None:
        return Path(sys.executable)
    return _made(needed)


def eap_ig() -> Path | None:
    """The folder of which the authors' package `eap` is importable."""
    given = os.environ.get("EAP_IG")
    tried = [Path(given) / "src", Path(given)] if given else []
    return next((folder for folder in tried if (folder / "eap").is_dir()), None)


def surroundings(arm: str) -> dict[str, str]:
    """The environment variables of an arm's process."""
    extra = eap_ig() if arm == "eap_ig" else None
    paths = [str(ROOT), *([str(extra)] if extra else [])]
    quiet = {"TQDM_DISABLE": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    return {**os.environ, **quiet, "PYTHONPATH": os.pathsep.join(paths)}


def _made(name: str) -> Path:
    requirements = ROOT / "requirements" / f"{name}.txt"
    folder, wanted = FOLDER / name, requirements.read_text(encoding="utf-8")
    python, stamp = folder / "bin" / "python", folder / "installed"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    print(f"making {folder} from {requirements.name}; this takes minutes", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    ran([sys.executable, "-m", "venv", str(folder)])
    ran([str(python), "-m", "pip", "install", "--no-input", "-r", str(requirements)])
    stamp.write_text(wanted, encoding="utf-8")
    return python


def ran(command: list[str]) -> None:
    """Raises Absent with the last line that the command said, if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise Absent(f"{' '.join(command[1:4])} failed: {said[-1] if said else 'without a word'}")

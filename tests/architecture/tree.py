"""The source tree as the architecture tests walk it."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("api", "benchmarks", "config", "fixtures", "wiki", "workers")
NOT_OURS = {"__pycache__", "migrations", "vendor", "node_modules", "data", "staticfiles", "htmlcov"}


def is_ours(path: Path) -> bool:
    return not any(part in NOT_OURS or part.startswith(".") for part in path.parts)


def modules(root: Path, sources: tuple[str, ...] = SOURCES) -> list[Path]:
    """Our Python files in these folders (or just these files), relative to the root."""
    tops = [root / source for source in sources]
    found = [path for top in tops for path in ([top] if top.is_file() else top.rglob("*.py"))]
    return sorted(path for path in (path.relative_to(root) for path in found) if is_ours(path))


def dotted(module: Path) -> str:
    """`wiki/models/__init__.py` is `wiki.models`."""
    parts = module.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def definitions(root: Path, module: Path, kind: type | tuple[type, ...]) -> Iterator[ast.AST]:
    tree = ast.parse((root / module).read_text(encoding="utf-8"), filename=str(module))
    return (node for node in ast.walk(tree) if isinstance(node, kind))


def plant(root: Path, name: str, text: str = "") -> Path:
    """Write a bad sample, for a rule to be seen failing on."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path.relative_to(root)

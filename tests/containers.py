"""docker-compose.yml, Dockerfile and .env.example as the tests read them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<word>[^}]*))?\})")


class NotSet(Exception):
    """A variable that must be set is not; the message is the file's own."""


@dataclass(frozen=True)
class Service:
    """What is started in a container, and with what. check: empty where none is made."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    check: tuple[str, ...]


def written() -> dict[str, dict[str, Any]]:
    """The services as they are written, with the YAML's merges made and no variable replaced."""
    return yaml.safe_load(COMPOSE)["services"]


def services(environment: Mapping[str, str]) -> dict[str, Service]:
    """As Compose would start them with these variables set."""
    return {name: _service(name, filled(service, environment)) for name, service in written().items()}


def filled(value: Any, environment: Mapping[str, str]) -> Any:
    """Compose's ${NAME:-default}, ${NAME:?message} and $$, in every string."""
    match value:
        case dict():
            return {key: filled(inner, environment) for key, inner in value.items()}
        case list():
            return [filled(inner, environment) for inner in value]
        case str():
            return VARIABLE.sub(lambda found: _value(found, environment), value)
        case _:
            return value


def stages() -> dict[str, str]:
    """The Dockerfile's stages by name, each with the text of those it stands on before its own."""
    found: dict[str, str] = {}
    for text in re.split(r"^(?=FROM )", DOCKERFILE, flags=re.MULTILINE)[1:]:
        parent, name = re.match(r"FROM (\S+) AS (\S+)", text).groups()
        found[name] = found.get(parent, "") + text
    return found


def _service(name: str, service: dict[str, Any]) -> Service:
    command = service.get("command") or _command_of(service["build"]["target"])
    environment = {key: str(value) for key, value in service.get("environment", {}).items()}
    first, *check = service["healthcheck"].get("test", ("NONE",))
    assert first in ("CMD", "NONE"), f"{name}: a check without a shell is one that cannot be misquoted"
    return Service(name, tuple(command), environment, tuple(check))


def _command_of(stage: str) -> tuple[str, ...]:
    """What CMD says. A JSON list is a YAML list as well."""
    *_, said = re.findall(r"^CMD (\[.*?\])", stages()[stage], flags=re.MULTILINE | re.DOTALL)
    return tuple(yaml.safe_load(said.replace("\\\n", "")))


def _value(found: re.Match[str], environment: Mapping[str, str]) -> str:
    if found["escaped"]:
        return "$"
    given = environment.get(found["name"], "")
    if not given and found["kind"] == "?":
        raise NotSet(found["word"])
    return given or found["word"] or ""

"""What all documents share: frozen, strict, nothing extra, one canonical text, and every error at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from workers.engine.documents.canonical import NotCanonical, canonical, normalize, parse, sha256

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,79}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Title = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Words = Annotated[str, StringConstraints(max_length=2_000)]
Prose = Annotated[str, StringConstraints(max_length=65_536)]


@dataclass(frozen=True)
class Problem:
    """One thing to change: where it stands (`claims.0.spec.metric`) and what to do about it."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class Invalid(ValueError):
    """A document that cannot be accepted, with every problem it has."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class Unordered:
    """Marks a tuple field whose order means nothing: its canonical text is sorted and without repeats."""


class Later:
    """Marks a field that came when documents of its kind had long been pinned: its default is not written out, so
    that a document that does not use it keeps its hash.
    """


class Document(BaseModel):
    """A frozen value read from JSON. Defaults are written out in its canonical text, but for those of later fields."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    @classmethod
    def read(cls, text: str | bytes) -> Self:
        """From JSON text; raises Invalid with every problem at once."""
        try:
            return cls.from_json(parse(text))
        except NotCanonical as error:
            raise Invalid([Problem("", str(error))]) from error

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """From JSON values (dicts, lists, strings, numbers); raises Invalid with every problem at once."""
        try:
            return cls.model_validate(_frozen(normalize(value)))
        except NotCanonical as error:
            raise Invalid([Problem("", str(error))]) from error
        except ValidationError as error:
            raise Invalid(problems_of(error)) from error

    def values(self) -> dict[str, Any]:
        """As JSON values, defaults written out, unordered lists sorted."""
        dumped: dict[str, Any] = normalize(self.model_dump(mode="json"))
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if value == field.default and any(isinstance(item, Later) for item in field.metadata):
                del dumped[name]
            else:
                dumped[name] = _written(value, dumped[name], field.metadata)
        return dumped

    @property
    def text(self) -> str:
        """The canonical text: RFC 8785."""
        return canonical(self.values())

    @property
    def sha256(self) -> str:
        return sha256(self.text)


def _frozen(value: Any) -> Any:
    """Lists as tuples: strict validation takes a list for a tuple only straight from JSON, not after a validator."""
    match value:
        case list():
            return tuple(_frozen(item) for item in value)
        case dict():
            return {key: _frozen(item) for key, item in value.items()}
        case _:
            return value


def problems_of(error: ValidationError) -> list[Problem]:
    """Pydantic's errors as paths and messages that say what to change."""
    return [problem for item in error.errors(include_url=False) for problem in _problems_of_one(item)]


def _problems_of_one(item: Any) -> list[Problem]:
    path = _path(item["loc"])
    nested = item.get("ctx", {}).get("error")
    if isinstance(nested, Invalid):
        return [Problem(".".join(filter(None, (path, inner.path))), inner.message) for inner in nested.problems]
    return [Problem(path, _message(item))]


def _written(value: Any, dumped: Any, metadata: list[Any]) -> Any:
    if any(item is Unordered or isinstance(item, Unordered) for item in metadata) and isinstance(dumped, list):
        return sorted(dict.fromkeys(dumped), key=str)
    if isinstance(value, Document):
        return value.values()
    if isinstance(value, tuple):
        return [_written(item, text, []) for item, text in zip(value, dumped, strict=True)]
    if isinstance(value, dict):
        return {key: _written(item, dumped[key], []) for key, item in value.items()}
    return dumped


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location if not str(part).startswith(("function-", "tagged-union")))


def _message(item: Any) -> str:
    text = str(item["msg"]).removeprefix("Value error, ")
    match item["type"]:
        case "extra_forbidden":
            return "this field is not known here; remove it or correct its name"
        case "missing":
            return "this field is required"
        case _:
            return text

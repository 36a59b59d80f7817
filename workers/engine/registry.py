"""A folder is a registry: file name = key, and each file holds one named value. No list to edit."""

from __future__ import annotations

import difflib
import pkgutil
from collections.abc import Iterator, Mapping
from importlib import import_module
from types import ModuleType
from typing import Generic, TypeVar

Value = TypeVar("Value")


class UnknownKey(KeyError):
    """No file of that name in the folder; the message names the nearest and the known ones."""

    def __str__(self) -> str:
        return str(self.args[0])


class Registry(Mapping[str, Value], Generic[Value]):
    """The files of a package, by name, each answering with its module attribute `attribute` of type `kind`."""

    def __init__(self, package: ModuleType, attribute: str, kind: type[Value]) -> None:
        self._package = package
        self._attribute = attribute
        self._kind = kind
        self._found: dict[str, Value] = {}  # the folder is looked at once for each key: a sweep asks for thousands

    def __getitem__(self, key: str) -> Value:
        if key in self._found:
            return self._found[key]
        if key not in self._names():
            raise UnknownKey(self._suggestion(key))
        value = getattr(import_module(f"{self._package.__name__}.{key}"), self._attribute)
        if not isinstance(value, self._kind):
            raise TypeError(f"{self._package.__name__}.{key}.{self._attribute} is no {self._kind.__name__}")
        self._found[key] = value
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._names()))

    def __len__(self) -> int:
        return len(self._names())

    def _names(self) -> set[str]:
        return {module.name for module in pkgutil.iter_modules(self._package.__path__)}

    def _suggestion(self, key: str) -> str:
        near = difflib.get_close_matches(key, self._names(), n=1)
        meant = f"; did you mean {near[0]!r}" if near else ""
        folder = self._package.__name__.rpartition(".")[2]
        return f"{key!r} is not one of our {folder}{meant}; known: {', '.join(self) or 'none yet'}"

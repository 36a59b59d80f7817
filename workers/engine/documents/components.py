"""The component grammar: `9.9@END`, `9.9.q`, `9.9[END>IO]`, `mlp.3`, `mlp.3.512`, `attn.4`, `resid.5`, and so on.

`L.H` is an attention head, meaning its z (the output before the output projection), as TransformerLens names it.
`resid.5` is the residual stream entering layer 5. `@POSITION` names a token position of the prompts, `@S1+1` the one
after it; without it the component is meant at every position. `#group` stands for a named group of a finding's
circuit; `9.*` and `*.*` for all heads of a layer or of the model, `mlp.*` and `attn.*` for all layers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal, assert_never

Kind = Literal["head", "entry", "mlp", "neuron", "attn", "resid", "embed", "logits"]
Part = Literal["q", "k", "v", "pattern"]

PART_NAMES: dict[str, Part] = {"q": "q", "k": "k", "v": "v", "pattern": "pattern"}
POSITION_NAME = r"[A-Za-z][A-Za-z0-9_]*"
_POSITION = re.compile(rf"(?P<name>{POSITION_NAME})(?P<offset>[+-]\d+)?\Z")
_HEAD = re.compile(r"(?P<layer>\d+|\*)\.(?P<head>\d+|\*)(\.(?P<part>q|k|v|pattern))?(\[(?P<entry>[^\]]*)\])?\Z")
_LAYERED = re.compile(r"(?P<kind>mlp|attn|resid)\.(?P<layer>\d+|\*)(\.(?P<neuron>\d+))?\Z")
_GROUP = re.compile(r"#(?P<group>[a-z0-9][a-z0-9-]*)\Z")


class NotAComponent(ValueError):
    """A text that the component grammar does not know; the message says what is known."""


@dataclass(frozen=True, order=True)
class Position:
    """A token position by name, e.g. S1 with offset 1 for the token after S1."""

    name: str
    offset: int = 0

    def __str__(self) -> str:
        return f"{self.name}{self.offset:+d}" if self.offset else self.name


@dataclass(frozen=True)
class Entry:
    """Which attention weights are meant: one (query, key) pair, or a set that the prompt generator names."""

    query: Position | None
    key: Position | None
    named: str | None = None

    def __str__(self) -> str:
        return self.named or f"{self.query}>{self.key}"


@dataclass(frozen=True)
class Component:
    """A place in the model. `layer` or `head` None means every one (a wildcard), until `expand` is called."""

    kind: Kind
    layer: int | None = None
    head: int | None = None
    part: Part | None = None
    neuron: int | None = None
    entry: Entry | None = None
    position: Position | None = None

    def __str__(self) -> str:
        at = f"@{self.position}" if self.position else ""
        return self.name + at

    @property
    def name(self) -> str:
        """The component without its position."""
        layer = "*" if self.layer is None else str(self.layer)
        match self.kind:
            case "head" | "entry":
                head = "*" if self.head is None else str(self.head)
                part = f".{self.part}" if self.part else ""
                entry = f"[{self.entry}]" if self.entry else ""
                return f"{layer}.{head}{part}{entry}"
            case "neuron":
                return f"mlp.{layer}.{self.neuron}"
            case "mlp" | "attn" | "resid":
                return f"{self.kind}.{layer}"
            case "embed" | "logits":
                return self.kind
            case _:
                assert_never(self.kind)

    @property
    def is_wildcard(self) -> bool:
        layered = self.kind not in ("embed", "logits")
        return layered and (self.layer is None or (self.kind in ("head", "entry") and self.head is None))

    @property
    def sort_key(self) -> tuple[str, int, int, int, str]:
        order = (self.layer, self.head, self.neuron)
        layer, head, neuron = (-1 if number is None else number for number in order)
        return (self.kind, layer, head, neuron, str(self))

    def without_position(self) -> Component:
        return replace(self, position=None)

    def covers(self, other: Component) -> bool:
        """True if intervening on self intervenes on other: same place, and at other's position."""
        same_place = self.without_position() == other.without_position()
        return same_place and (self.position is None or self.position == other.position)


def component(text: str) -> Component:
    """Parse one component; raises NotAComponent with what to write instead."""
    name, at, position_text = text.partition("@")
    position = position_of(position_text, text) if at else None
    if name in ("embed", "logits"):
        return Component(kind="embed" if name == "embed" else "logits", position=position)
    if found := _HEAD.match(name):
        return _head(found, position, text)
    if found := _LAYERED.match(name):
        return _layered(found, position, text)
    raise NotAComponent(
        f"{text!r} names no component; write a head as 9.9, its query as 9.9.q, an attention entry as 9.9[END>IO], "
        "or mlp.3, mlp.3.512, attn.4, resid.5, embed, logits, each with an optional @POSITION"
    )


def position_of(text: str, within: str) -> Position:
    found = _POSITION.match(text)
    if not found:
        raise NotAComponent(f"{text!r} in {within!r} is no position; write a name such as END or S1+1")
    return Position(found["name"], int(found["offset"] or 0))


def group_of(text: str) -> tuple[str, Position | None] | None:
    """`#name-movers@END` -> ("name-movers", END); None if the text names no group."""
    name, at, position_text = text.partition("@")
    if not name.startswith("#"):
        return None
    found = _GROUP.match(name)
    if not found:
        raise NotAComponent(f"{text!r} is no group; write #name in lower-case letters, digits and hyphens")
    return found["group"], position_of(position_text, text) if at else None


def _head(found: re.Match[str], position: Position | None, text: str) -> Component:
    entry = _entry(found["entry"], text) if found["entry"] is not None else None
    if entry and (found["part"] or position):
        raise NotAComponent(f"{text!r}: an attention entry already says where; drop the part and the @POSITION")
    return Component(
        kind="entry" if entry else "head",
        layer=_number(found["layer"]),
        head=_number(found["head"]),
        part=PART_NAMES.get(found["part"] or ""),
        entry=entry,
        position=position,
    )


def _entry(text: str, within: str) -> Entry:
    query, arrow, key = text.partition(">")
    if arrow:
        return Entry(position_of(query, within), position_of(key, within))
    if not re.fullmatch(r"[a-z][a-z0-9-]*", text):
        raise NotAComponent(
            f"[{text}] in {within!r} is no attention entry; write [QUERY>KEY] or a named set as [induction]"
        )
    return Entry(None, None, named=text)


def _layered(found: re.Match[str], position: Position | None, text: str) -> Component:
    if found["neuron"] is None:
        kinds: dict[str, Kind] = {"mlp": "mlp", "attn": "attn", "resid": "resid"}
        return Component(kind=kinds[found["kind"]], layer=_number(found["layer"]), position=position)
    if found["kind"] != "mlp" or found["layer"] == "*":
        raise NotAComponent(f"{text!r}: only an MLP of one layer has numbered neurons; write e.g. mlp.3.512")
    return Component(kind="neuron", layer=int(found["layer"]), neuron=int(found["neuron"]), position=position)


def _number(text: str) -> int | None:
    return None if text == "*" else int(text)

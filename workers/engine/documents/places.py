"""Writing out what a spec names: groups of the circuit and wildcards become components, in order, without repeats."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from workers.engine.documents.components import Component, component, group_of
from workers.engine.documents.finding import place_fields
from workers.engine.documents.model import Dimensions
from workers.engine.documents.spec import Given, Spec

Groups = Mapping[str, tuple[str, ...]]
Stated = TypeVar("Stated", Spec, Given)


def components_of(places: Iterable[str], groups: Groups, dimensions: Dimensions) -> tuple[Component, ...]:
    """`("#movers@END", "9.*")` -> the components meant, sorted."""
    return _in_order(place for text in places for place in _written_out(text, groups, dimensions))


def _in_order(places: Iterable[Component]) -> tuple[Component, ...]:
    return tuple(sorted(set(places), key=lambda place: place.sort_key))


def written_out(spec: Spec, groups: Groups, dimensions: Dimensions) -> Spec:
    """The spec with every group and wildcard written out."""
    given = tuple(_with_places(item, groups, dimensions) for item in spec.given)
    return _with_places(spec, groups, dimensions).model_copy(update={"given": given})


def spelled_out(spec: Spec, groups: Groups) -> Spec:
    """The spec with its groups' members named; wildcards stay, being clear as they are."""
    given = tuple(_with_members(item, groups) for item in spec.given)
    return _with_members(spec, groups).model_copy(update={"given": given})


def _with_members(stated: Stated, groups: Groups) -> Stated:
    named = {
        name: tuple(map(str, _in_order(place for text in places for place in _members(text, groups))))
        for name, places in place_fields(stated)
    }
    return stated.model_copy(update=named)


def _with_places(stated: Stated, groups: Groups, dimensions: Dimensions) -> Stated:
    changed = {
        name: tuple(str(place) for place in components_of(places, groups, dimensions))
        for name, places in place_fields(stated)
    }
    return stated.model_copy(update=changed)


def _written_out(text: str, groups: Groups, dimensions: Dimensions) -> Iterator[Component]:
    for member in _members(text, groups):
        yield from _without_wildcards(member, dimensions)


def _members(text: str, groups: Groups) -> Iterator[Component]:
    named = group_of(text)
    if named is None:
        yield component(text)
        return
    name, position = named
    for member in map(component, groups[name]):
        yield replace(member, position=position or member.position)


def _without_wildcards(place: Component, dimensions: Dimensions) -> Iterator[Component]:
    if not place.is_wildcard:
        yield place
        return
    layers = range(dimensions.layers) if place.layer is None else (place.layer,)
    heads = range(dimensions.heads) if place.kind in ("head", "entry") and place.head is None else (place.head,)
    for layer in layers:
        for head in heads:
            yield replace(place, layer=layer, head=head)

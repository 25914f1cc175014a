"""A service's labels as Traefik's label parser reads them, item by item: what it would refuse costs that item only.

Pure. Keys are split at dots and `[0]`, and compared without case; a name is written as it is first in the order of the
keys. Booleans and numbers are Go's (strconv). What is read here is JSON that Traefik takes, by the table in `fields`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from funswarm import units
from funswarm.explain import did_you_mean
from services.api.traefik.fields import SECTIONS, Field, Group, Kind

_ROOT: Final = "traefik"
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,18}")
_DURATION: Final = re.compile(r"[+-]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h))+")
_DURATION_PART: Final = re.compile(r"([0-9.]+)([a-z\u00b5\u03bc]+)")
_UNITS_S: Final = {"ns": 1e-9, "us": 1e-6, "\u00b5s": 1e-6, "\u03bcs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
_DURATION_MAX_S: Final = 2**63 / 10**9 - 1  # Go's are 64 bits of nanoseconds
_INDEX: Final = re.compile(r"\[[0-9]+\]")

Json = Any


@dataclass(frozen=True, slots=True)
class Fault:
    """A label that is not followed, and why; `label` None: several."""

    reason: str
    label: str | None = None
    value: str | None = None


class BadLabel(ValueError):
    """Raised with what is wrong with one label."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.reason)
        self.fault = fault


@dataclass(slots=True)
class Node:
    """One word of a key. `value`: of the label that ends here. `label` and `text`: one that has it, for messages."""

    name: str
    label: str
    text: str
    value: str | None = None
    children: "dict[str, Node]" = field(default_factory=dict)  # by the name in lower case


@dataclass(frozen=True, slots=True)
class Labels:
    """`items`: (family, section) -> name -> JSON. `bad`: names in (family, section) that are left out."""

    items: Mapping[tuple[str, str], Mapping[str, Json]]
    bad: frozenset[tuple[str, str, str]]
    faults: tuple[Fault, ...]


def read_labels(labels: Mapping[str, str]) -> Labels:
    """All of `traefik.http`, `traefik.tcp` and `traefik.udp` in a service's labels."""
    items: dict[tuple[str, str], dict[str, Json]] = {}
    bad: set[tuple[str, str, str]] = set()
    faults: list[Fault] = []
    for family, sections in _tree(labels).items():
        for node in sections.children.values():
            table = SECTIONS[family].get(node.name.lower())
            if table is None:
                faults.append(_unknown(node, SECTIONS[family]))
                continue
            place = (family, node.name.lower())
            if not node.children:
                faults.append(Fault("this needs a name and an option behind it", node.label, node.text))
            for item in node.children.values():
                try:
                    items.setdefault(place, {})[item.name] = _item(item, table, place[1])
                except BadLabel as error:
                    bad.add((*place, item.name))
                    faults.append(error.fault)
    return Labels(items, frozenset(bad), tuple(faults))


def flag(label: str, value: str) -> bool:
    """A boolean as Go reads it.

    Raises:
        BadLabel: it is none.
    """
    try:
        return bool(units.flag(value))
    except ValueError as error:
        raise BadLabel(Fault("this is neither true nor false", label, value)) from error


def _tree(labels: Mapping[str, str]) -> dict[str, Node]:
    """By family."""
    families: dict[str, Node] = {}
    for label in sorted(labels):
        root, _, rest = label.partition(".")
        family, _, path = rest.partition(".")
        if root.lower() != _ROOT or family.lower() not in SECTIONS:
            continue
        node = families.setdefault(family.lower(), Node(family, label, labels[label]))
        for word in _words(path):
            node = node.children.setdefault(word.lower(), Node(word, label, labels[label]))
        node.value = node.text = labels[label]
        node.label = label
    return families


def _words(path: str) -> list[str]:
    """`domains[0].main` as `domains`, `[0]`, `main`."""
    words: list[str] = []
    for word in path.split("."):
        name, bracket, index = word.partition("[")
        if bracket and word.endswith("]"):
            words += [name, bracket + index] if name else [word]
        else:
            words.append(word)
    return words


def _item(node: Node, table: Group, section: str) -> Json:
    if not node.name:
        raise BadLabel(Fault("a name is missing between its dots", node.label, node.text))
    if "@" in node.name:
        why = "a name has no @: what follows one is the provider of something that is defined elsewhere"
        raise BadLabel(Fault(why, node.label, node.text))
    if not node.children:
        raise BadLabel(Fault("this needs an option behind the name", node.label, node.text))
    made = _options(node, table)
    if not made and section == "middlewares":
        raise _nothing(node)
    return made


def _fill(node: Node, kind: Field) -> Json:
    """The JSON of a node; None: leave it out."""
    if isinstance(kind, Group):
        if kind.several:
            return _several(node, kind)
        return _bare(node, kind) if not node.children or (kind.bare and node.value is not None) else _group(node, kind)
    if kind in (Kind.TEXTS, Kind.NUMBERS):
        return _map(node, Kind.TEXT if kind is Kind.TEXTS else Kind.NUMBER)
    if kind is Kind.ANY:
        return _plugins(node)
    return _value(node, kind)


def _group(node: Node, group: Group) -> Json:
    made = _options(node, group)
    if not made and not group.bare:
        raise _nothing(node)
    return made


def _options(node: Node, group: Group) -> dict[str, Json]:
    known = {name.lower(): name for name in group.fields}
    made: dict[str, Json] = {}
    for key, child in node.children.items():
        if key not in known:
            raise BadLabel(_unknown(child, group.fields))
        filled = _fill(child, group.fields[known[key]])
        if filled is not None:
            made[known[key]] = filled
    return made


def _bare(node: Node, group: Group) -> Json:
    """A group with a value: `true` is all there is to say, anything else switches it off."""
    if not group.bare:
        raise BadLabel(Fault("this needs an option behind it", node.label, node.text))
    if node.value and node.value.lower() != "true":
        return None
    return _options(node, group)


def _several(node: Node, group: Group) -> Json:
    for child in node.children.values():
        if not _INDEX.fullmatch(child.name):
            raise BadLabel(Fault(f"{node.name} is a list: write {node.name}[0]", child.label, child.text))
    in_order = sorted(node.children.values(), key=lambda child: int(child.name[1:-1]))
    return [_group(child, group) for child in in_order] or None


def _map(node: Node, kind: Kind) -> Json:
    if not node.children:
        raise BadLabel(Fault("this needs a name behind it", node.label, node.text))
    if "" in node.children:
        raise BadLabel(Fault("a name is missing behind the last dot", node.children[""].label, node.children[""].text))
    return {child.name: _value(child, kind) for child in node.children.values()}


def _plugins(node: Node) -> Json:
    made = _any(node)
    if not isinstance(made, dict) or not all(isinstance(one, dict) for one in made.values()):
        raise BadLabel(Fault("this needs a plugin's name and an option behind it", node.label, node.text))
    return made


def _any(node: Node) -> Json:
    if not node.children:
        return node.value or ""
    if all(_INDEX.fullmatch(child.name) for child in node.children.values()):
        return [_any(child) for child in sorted(node.children.values(), key=lambda child: int(child.name[1:-1]))]
    return {child.name: _any(child) for child in node.children.values()}


def _value(node: Node, kind: Kind) -> Json:
    if node.children:
        child = next(iter(node.children.values()))
        raise BadLabel(Fault(f"{node.name} is a {kind.value}, nothing is behind it", child.label, child.text))
    text = node.value or ""
    match kind:
        case Kind.FLAG:
            return flag(node.label, text)
        case Kind.NUMBER:
            if not _NUMBER.fullmatch(text):
                raise BadLabel(Fault("this is no integer", node.label, text))
            return int(text)
        case Kind.DURATION:
            duration = f"{int(text)}s" if _NUMBER.fullmatch(text) else text
            if not _is_duration(duration):
                raise BadLabel(Fault("this is no duration: write 500ms, 10s or 1m30s", node.label, text))
            return duration
        case Kind.LIST:
            return [one.strip() for one in text.split(",")] if text else None
        case _:
            return text


def _is_duration(text: str) -> bool:
    parts = _DURATION_PART.findall(text)
    return (
        _DURATION.fullmatch(text) is not None
        and sum(float(number) * _UNITS_S[unit] for number, unit in parts) < _DURATION_MAX_S
    )


def _nothing(node: Node) -> BadLabel:
    return BadLabel(Fault(f"nothing is said of {node.name}", node.label, node.text))


def _unknown(node: Node, known: Iterable[str]) -> Fault:
    if not node.name:
        return Fault("a word is missing between its dots", node.label, node.text)
    near = did_you_mean(node.name.lower(), [name.lower() for name in known])
    return Fault(f"Traefik does not know {node.name!r} here{near}", node.label, node.text)

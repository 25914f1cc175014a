"""In which order the commands of a batch are done. Pure."""

from collections.abc import Collection, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import combinations


def check_order(edges: Mapping[str, Collection[str]], targets: Mapping[str, str]) -> None:
    """Whether `edges` (name -> the names it depends on) are an order, in which no two of the same target are at once.

    Raises:
        ValueError: which are not.
    """
    for name, needed in edges.items():
        if unknown := sorted(set(needed) - edges.keys()):
            raise ValueError(f"{name} depends on {', '.join(unknown)}: there is no such command in the batch")
    before = ancestors(edges)
    for first, second in combinations(edges, 2):
        ordered = first in before[second] or second in before[first]
        if targets[first] == targets[second] and not ordered:
            raise ValueError(f"{first} and {second} have the same target: let one depend on the other")


def in_order(edges: Mapping[str, Collection[str]]) -> list[str]:
    """The names, each after all that it depends on.

    Raises:
        ValueError: some depend on each other in a circle.
    """
    try:
        return list(TopologicalSorter(edges).static_order())
    except CycleError as error:
        raise ValueError(f"{' -> '.join(reversed(error.args[1]))} depend on each other in a circle") from error


def ancestors(edges: Mapping[str, Collection[str]]) -> dict[str, set[str]]:
    """All that each depends on, by others too.

    Raises:
        ValueError: as of `in_order`.
    """
    before: dict[str, set[str]] = {}
    for name in in_order(edges):
        before[name] = set(edges[name]).union(*(before[needed] for needed in edges[name]))
    return before

"""What all of the engine's objects have: their version and times. Pure."""

from collections.abc import Mapping
from typing import Any

Raw = Mapping[str, Any]


def version_of(raw: Raw) -> int:
    """Swarm's Version.Index."""
    return index(raw["Version"])


def index(version: Raw | None) -> int:
    """The number in `{"Index": …}`; 0 where the engine leaves it out."""
    return int((version or {}).get("Index") or 0)


def stamps(raw: Raw) -> dict[str, Any]:
    """The fields of `State` that every versioned object has."""
    return {
        "version": version_of(raw),
        "created_at": raw.get("CreatedAt") or "",
        "updated_at": raw.get("UpdatedAt") or "",
    }

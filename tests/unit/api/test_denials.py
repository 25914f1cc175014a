"""What was denied is kept for the audit stream: what would have changed something, and not too much of it."""

from typing import Any

import pytest

from services.api.access import Denied
from services.api.denials import AT_ONCE_MAX, PATH_MAX, Denials

DENIED = Denied(403, "role", "this needs the role admin", who="eve")


def scope(method: str = "DELETE", path: str = "/v1/services/web") -> dict[str, Any]:
    return {"method": method, "path": path, "client": ("192.0.2.7", 1234)}


def kept(denials: Denials) -> list[Any]:
    return denials._waiting


def test_who_tried_what_from_where_is_kept():
    denials = Denials()
    denials.add(scope(), DENIED)
    (record,) = kept(denials)
    assert ("DELETE", "/v1/services/web", "eve") == (record.verb, record.target, record.requested_by)
    assert "403 from 192.0.2.7: this needs the role admin" == record.reason


@pytest.mark.parametrize(("method", "path", "count"), [("GET", "/v1/services", 0), ("GET", "/create", 1)])
def test_only_what_would_have_changed_something(method, path, count):
    denials = Denials()
    denials.add(scope(method, path), DENIED)
    assert count == len(kept(denials))


def test_what_is_too_much_is_counted():
    denials = Denials()
    for _ in range(AT_ONCE_MAX + 5):
        denials.add(scope(), DENIED)
    assert AT_ONCE_MAX == len(kept(denials))
    kept(denials).clear()
    denials.add(scope(), DENIED)
    assert kept(denials)[0].reason.endswith("; 5 more were denied just before")


def test_a_long_path_is_cut():
    denials = Denials()
    denials.add(scope(path="/" * 5000), DENIED)
    assert PATH_MAX == len(kept(denials)[0].target)

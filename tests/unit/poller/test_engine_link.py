"""How the engine is reached, as a state."""

from typing import Any, cast

from funswarm.errors import Unavailable
from funswarm.state import EngineState
from services.engine.client import Engine
from services.poller.engine_link import EngineLink
from services.poller.health import Troubles
from services.poller.view import View


def a_link() -> tuple[EngineLink, View, Troubles]:
    view, troubles = View(lambda _: None), Troubles()
    return EngineLink(cast("Engine", None), view, troubles, ("29.0.0", "1.52")), view, troubles


def said(view: View) -> Any:
    state = view.get(("engine", "engine"))
    return isinstance(state, EngineState) and (state.reachable, state.stream, state.reason)


def test_nothing_is_said_before_anything_is_known():
    link, view, _ = a_link()
    link.answered()

    assert not said(view)


def test_an_open_stream_is_all_well():
    link, view, troubles = a_link()
    link.opened()

    assert said(view) == (True, "open", None)
    assert troubles.reason is None


def test_an_engine_that_does_not_answer_is_said_until_it_does():
    link, view, troubles = a_link()
    link.opened()
    link.failed(Unavailable("gone"))
    assert said(view) == (False, "open", "gone")
    assert troubles.reason == "gone"

    link.answered()
    assert said(view) == (True, "open", None)
    assert troubles.reason is None


def test_a_stream_that_ended_is_closed_until_another_is_open():
    link, view, troubles = a_link()
    link.opened()
    link.closed("broke")
    assert said(view) == (True, "closed", "broke")
    assert "broke" in (troubles.reason or "")

    link.opened()
    assert said(view) == (True, "open", None)
    assert troubles.reason is None


def test_a_silent_stream_stays_silent_until_another_is_proven():
    link, view, _ = a_link()
    link.opened()
    link.silent("told nothing")
    link.closed("we closed it")
    link.opened()
    assert said(view) == (True, "silent", "told nothing")

    link.proven()
    assert said(view) == (True, "open", None)


def test_no_stream_is_open_before_it_is_opened():
    link, _, _ = a_link()
    assert link.open_since == float("inf")

    link.opened()
    link.closed("broke")
    assert link.open_since == float("inf")

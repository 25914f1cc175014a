"""What keeps an ask from passing, each rule by itself. Pure; `evaluate` has them in their order."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from funswarm.holds import Hold
from funswarm.state import ServiceState
from services.scheduler.policies.asked import Asked
from services.scheduler.policies.contract import Ask, Policy, Situation
from services.scheduler.policies.record import succeeded
from services.scheduler.raw_service import ROLLING

BACK_OFF_S: Final = 10.0
BACK_OFF_MAX_S: Final = 600.0
_DOUBLINGS_MAX: Final = 10


class Bar(NamedTuple):
    """Why an ask does not pass. `until` None: not known. `silent`: it is only waited for. `dry`: it is only told."""

    reason: str
    until: datetime | None = None
    silent: bool = False
    dry: bool = False


def held(policy: str, holds: Iterable[Hold], now: datetime) -> Bar | None:
    """Somebody put a hold."""
    for hold in holds:
        if hold.stops(policy, now):
            why = f": {hold.reason}" if hold.reason else ""
            by = f" by {hold.by}" if hold.by else ""
            return Bar(f"held until {hold.until:%Y-%m-%d %H:%M:%S %Z}{by}{why}", hold.until)
    return None


def paused(policy: str, ask: Ask[Any], asked: Asked) -> Bar | None:
    """A label pauses it, in this direction or altogether."""
    directions = asked.paused.get(policy, frozenset())
    if ask.direction in directions or len(directions) == 2:
        return Bar(f"paused by the label funswarm.{policy}.pause")
    return None


def stopped(policy: str, holds: Iterable[Hold], asked: Asked, now: datetime) -> bool:
    """Whether a hold, a pause or a dry run lets nothing begin, whatever it is."""
    return (
        any(hold.stops(policy, now) for hold in holds)
        or len(asked.paused.get(policy, ())) == 2
        or policy in asked.dry_run
    )


def left_to_hand(policy: Policy[Any, Any], situation: Situation[Any, Any]) -> Bar | None:
    """Somebody else wrote the service a short while ago."""
    hand = situation.hand
    if hand is None or situation.settings is None:
        return None
    until = hand.at + timedelta(seconds=policy.yields_s(situation.settings))
    if situation.now >= until:
        return None
    how = f"command {hand.command}" if hand.command is not None else "outside of Funswarm"
    who = f"whoever wrote it at {hand.at:%H:%M:%S %Z} ({how})"
    return Bar(f"left to {who} until {until:%Y-%m-%d %H:%M:%S %Z}", until)


def rolling(ask: Ask[Any], service: ServiceState | None) -> Bar | None:
    """A rollout is under way, whose way back a write would end."""
    status = None if service is None else service.update_status
    if status is None or status.state not in ROLLING or ask.in_rollout:
        return None
    return Bar(f"its rollout is {status.state}: a write now would end its way back")


def done_before(policy: str, ask: Ask[Any], situation: Situation[Any, Any]) -> Bar | None:
    """The same was asked for before: with a key of its own never again, else after a while that grows."""
    sent, result = situation.sent, situation.result
    if sent is None or sent.key != key_of(ask, situation.service):
        return None
    if ask.key is not None:
        return Bar(f"{policy} has done this already, as {sent.command.id}", silent=True)
    until = sent.at + timedelta(seconds=min(BACK_OFF_MAX_S, BACK_OFF_S * 2 ** min(sent.attempt, _DOUBLINGS_MAX)))
    if situation.now >= until:
        return None
    if result is None or succeeded(result):
        return Bar(f"it was done, as {sent.command.id}, and changed nothing", until, silent=True)
    return Bar(f"{result.status.value} before: {result.reason}", until)


def dry_run(policy: str, asked: Asked) -> Bar | None:
    """A label asks for words only."""
    return Bar(f"dry run, by the label funswarm.{policy}.dry-run", dry=True) if policy in asked.dry_run else None


def key_of(ask: Ask[Any], service: ServiceState | None) -> str:
    """What is decided: where the policy does not say, this command for this version of the service."""
    return ask.key or f"{ask.command.digest}@{service.version if service is not None else 'none'}"

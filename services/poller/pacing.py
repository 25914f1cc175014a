"""When to look, and how often: pure reckoning with a monotonic clock that the caller reads (`now`, seconds).

* `Due`: an ordered set of keys to be worked off, each at most at the rate of its token bucket.
* `ListPace`: when the next full list is due, so that lists take a fixed share of time.
* `Moving`: the services whose tasks are polled, and which of them are due.
* `Turns`: when to do next what costs as much for many as for one.
* `Backoff`: waits between attempts.
"""

import heapq
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from services.poller.known import Key

BURST: Final = 20.0
RATE_PER_S: Final = 10.0
GAP_MAX_S: Final = 5.0
TURNS: Final = 8.0
TURNS_PER_S: Final = 25.0


class Due:
    """Keys to be worked off: services, nodes and the rest in the order of their coming, tasks after them.

    A key that is added again while it waits is one key. One object is handed out `BURST` times at once and
    `RATE_PER_S` times a second in the long run; what comes faster waits, so an object in a frenzy is coalesced.
    """

    def __init__(self) -> None:
        self._first: Final[OrderedDict[Key, None]] = OrderedDict()  # a dict's first is slow to find after deletions
        self._tasks: Final[OrderedDict[Key, None]] = OrderedDict()
        self._held: Final[dict[Key, float]] = {}
        self._held_until: Final[list[tuple[float, Key]]] = []
        self._buckets: Final[OrderedDict[Key, tuple[float, float]]] = OrderedDict()  # tokens, as of; oldest use first

    def add(self, key: Key) -> None:
        if key not in self._held:
            (self._tasks if key[0] == "task" else self._first)[key] = None

    def take(self, limit: int, now: float) -> list[Key]:
        """Up to `limit` keys that may be worked off now; they are no longer in the set."""
        while self._held_until and self._held_until[0][0] <= now:
            _, key = heapq.heappop(self._held_until)
            del self._held[key]
            self.add(key)
        taken: list[Key] = []
        for queue in (self._first, self._tasks):
            while queue and len(taken) < limit:
                key, _ = queue.popitem(last=False)
                wait_s = self._spend(key, now)
                if wait_s:
                    self._held[key] = now + wait_s
                    heapq.heappush(self._held_until, (now + wait_s, key))
                else:
                    taken.append(key)
        self._forget(now)
        return taken

    def wait_s(self, now: float) -> float | None:
        """How long until there is something to take: 0 now, None as long as nothing is added."""
        if self._first or self._tasks:
            return 0.0
        return max(0.0, self._held_until[0][0] - now) if self._held_until else None

    def _spend(self, key: Key, now: float) -> float:
        tokens, as_of = self._buckets.pop(key, (BURST, now))
        tokens = min(BURST, tokens + (now - as_of) * RATE_PER_S)
        enough = tokens >= 1
        self._buckets[key] = (tokens - 1 if enough else tokens, now)
        return 0.0 if enough else max((1 - tokens) / RATE_PER_S, 1e-3)

    def _forget(self, now: float) -> None:
        """Buckets that are full again say nothing."""
        while self._buckets:
            key, (_, as_of) = next(iter(self._buckets.items()))
            if now - as_of < BURST / RATE_PER_S:
                return
            del self._buckets[key]

    def __contains__(self, key: Key) -> bool:
        return key in self._first or key in self._tasks or key in self._held

    def __len__(self) -> int:
        return len(self._first) + len(self._tasks) + len(self._held)


@dataclass(slots=True)
class Turns:
    """Turns at what costs about as much for many as for one: `TURNS` at once, `TURNS_PER_S` in the long run.

    So what comes after quiet goes at once, and what comes in a burst goes together.
    """

    left: float = TURNS
    as_of: float = 0.0

    def wait_s(self, now: float) -> float:
        """Take the next turn: how long until then, 0 now."""
        self.left = min(TURNS, self.left + (now - self.as_of) * TURNS_PER_S) - 1
        self.as_of = now
        return max(0.0, -self.left / TURNS_PER_S)


@dataclass(slots=True)
class Cost:
    """What a call costs, in seconds: the mean of the last few, so one slow call does not count for ever."""

    mean_s: float

    def note(self, took_s: float) -> None:
        self.mean_s += (took_s - self.mean_s) * 0.3


@dataclass(slots=True)
class ListPace:
    """Full lists take `share` of the time: a list that took c seconds is followed by the next c / share later.

    `gap_s`: so long after one none begins, not even one that is asked for: these take a tenth of the time at most.
    """

    share: float
    interval_max_s: float
    interval_min_s: float
    interval_s: float = 0.0
    gap_s: float = 0.0

    def note(self, took_s: float) -> None:
        self.gap_s = min(9 * took_s, GAP_MAX_S)
        self.interval_s = min(max(took_s / self.share, self.interval_min_s), self.interval_max_s)


@dataclass(slots=True)
class Backoff:
    """Waits that double from `first_s` to `max_s`, until `reset`."""

    first_s: float = 0.1
    max_s: float = 5.0
    next_s: float = 0.0

    def wait_s(self) -> float:
        wait = self.next_s or self.first_s
        self.next_s = min(wait * 2, self.max_s)
        return wait

    def reset(self) -> None:
        self.next_s = 0.0


INTERVAL_MIN_S: Final = 0.02
INTERVAL_MAX_S: Final = 0.25
SETTLED_AFTER_S: Final = 5.0  # a settled service that was quiet for so long is no longer in motion
IDLE_AFTER_S: Final = 0.5  # after so long without work an idle service leaves the fastest tier: Swarm acts faster
NEVER: Final = float("inf")
TIERS: Final = ((10.0, 0.12), (60.0, 0.02), (NEVER, 0.005))  # quiet for less than, share of time for polls
FASTEST: Final = (0,)
SLOWER: Final = (1, 2)


@dataclass(slots=True)
class Motion:
    """One service in motion: when it last changed, and when it was last polled; `busy`: more is about to happen."""

    changed_at: float
    polled_at: float
    busy: bool = True

    def due_at(self) -> float:
        quiet_s = self.polled_at - self.changed_at
        interval_s = quiet_s * 0.1 if self.busy else quiet_s
        return self.polled_at + min(max(interval_s, INTERVAL_MIN_S), INTERVAL_MAX_S)


class Moving:
    """The services in motion, by tiers.

    A service is polled every 20 ms at first, every 250 ms once it was quiet for a few seconds. The longer it is quiet,
    the smaller the share of time that it and its like may take (`TIERS`): many that wait for long cost no more than
    one. One that is not busy slows down and leaves the fastest tier within half a second: it does not hold up those
    whose tasks are on their way.

    `_allowed_at`: when a tier may poll again; `_next_at`: before that it need not be looked through.
    """

    def __init__(self) -> None:
        self._tiers: Final[list[dict[str, Motion]]] = [{} for _ in TIERS]
        self._allowed_at: Final = [0.0 for _ in TIERS]
        self._next_at: Final = [NEVER for _ in TIERS]

    def touch(self, service_id: str, now: float) -> None:
        """Something about the service changed, or may have."""
        motion = self._pop(service_id) or Motion(now, -NEVER)
        motion.changed_at = now
        self._put(0, service_id, motion)

    def drop(self, service_id: str) -> None:
        """Nothing is to be expected of the service: do not poll it."""
        self._pop(service_id)

    def keep(self, service_ids: Iterable[str], now: float) -> None:
        """These are not settled: poll them, slowly, if they are not polled already."""
        for service_id in service_ids:
            if service_id not in self:
                self._put(1, service_id, Motion(now - TIERS[0][0], now))

    def polled(self, service_id: str, now: float, *, settled: bool, busy: bool) -> float:
        """Its tasks were just read; returns for how long it was quiet.

        settled: it will not change by itself. busy: it is about to change.
        """
        for tier in self._tiers:
            if motion := tier.get(service_id):
                motion.polled_at, motion.busy = now, busy
                if settled and now - motion.changed_at >= SETTLED_AFTER_S:
                    del tier[service_id]
                return now - motion.changed_at
        return 0.0

    def due(self, now: float, tiers: Sequence[int]) -> tuple[int, list[str]]:
        """One of `tiers` that may poll now, and its services that are due, polled longest ago first; none: none is."""
        for tier in tiers:
            if self._next_at[tier] > now:
                continue
            self._age(tier, now)
            motions = self._tiers[tier]
            ready = [service_id for service_id, motion in motions.items() if motion.due_at() <= now]
            if ready:
                return tier, sorted(ready, key=lambda service_id: motions[service_id].polled_at)
            self._next_at[tier] = min((motion.due_at() for motion in motions.values()), default=NEVER)
        return tiers[0], []

    def spent(self, tier: int, took_s: float, now: float) -> None:
        """Polls for this tier took so long: the next come when its share allows."""
        self._allowed_at[tier] = self._next_at[tier] = now + took_s * (1 / TIERS[tier][1] - 1)

    def wait_s(self, now: float, tiers: Sequence[int]) -> float | None:
        """How long until something of `tiers` may be due; None: no service is in them."""
        next_at = min(self._next_at[tier] for tier in tiers)
        return None if next_at == NEVER else max(0.0, next_at - now)

    def _age(self, tier: int, now: float) -> None:
        """Hand on those that polls found quiet for too long for this tier; until it is polled nobody knows of one."""

        def is_quiet(motion: Motion) -> bool:
            quiet_s = min(now, motion.polled_at) - motion.changed_at
            idle = tier == 0 and not motion.busy and motion.polled_at >= motion.changed_at + IDLE_AFTER_S / 2
            return quiet_s >= (IDLE_AFTER_S if idle else TIERS[tier][0])

        quiet = [service_id for service_id, motion in self._tiers[tier].items() if is_quiet(motion)]
        for service_id in quiet:
            self._put(tier + 1, service_id, self._tiers[tier].pop(service_id))

    def _put(self, tier: int, service_id: str, motion: Motion) -> None:
        self._tiers[tier][service_id] = motion
        self._next_at[tier] = min(self._next_at[tier], max(self._allowed_at[tier], motion.due_at()))

    def _pop(self, service_id: str) -> Motion | None:
        return next((tier.pop(service_id) for tier in self._tiers if service_id in tier), None)

    def __contains__(self, service_id: str) -> bool:
        return any(service_id in tier for tier in self._tiers)

    def __len__(self) -> int:
        return sum(len(tier) for tier in self._tiers)

"""What policies decided, and holds that stop them, for Client. I/O by `Link`."""

from contextlib import aclosing
from typing import Final

from pydantic import ValidationError

from funswarm.backwards import read_back
from funswarm.decisions import Decision, DecisionPage
from funswarm.errors import Unavailable
from funswarm.gauges import Push
from funswarm.holds import Hold, Holds
from funswarm.link import NobodyAnswers
from funswarm.queries import Queries
from funswarm.querying import raise_error
from funswarm.sessions import Session, Sessions
from funswarm.subjects import token

DECISIONS_MAX: Final = 1000
PUSH_TIMEOUT_S: Final = 5.0


class Policed(Queries):
    """The questions about policies of a Client; they raise what it says."""

    async def decisions(self, service: str, *, policy: str | None = None, limit: int = 20) -> DecisionPage:
        """What policies decided about a service, by its name, the newest first; of one policy, where it is given."""
        found: list[Decision] = []
        subject = f"{self._subjects.prefix}.decision.{policy or '*'}.{token(service)}"
        async with aclosing(read_back(self._link, self._subjects.reports_stream, subject)) as kept:
            async for one in kept:
                if len(found) >= min(limit, DECISIONS_MAX):
                    break
                try:
                    found.append(Decision.model_validate_json(one.body))
                except ValidationError:  # of another version
                    continue
        return DecisionPage(items=tuple(found))

    async def hold(self, hold: Hold) -> Hold:
        """Has policies leave a service alone for a while; in the place of an earlier hold of the same policies.

        Raises:
            InvalidRequest: it is over already, or longer than a year.
        """
        return await Holds(self._link, self._subjects).put(hold)

    async def release(self, service: str, policy: str | None = None) -> tuple[Hold, ...]:
        """Ends the hold of a policy, None: all holds of the service. Those that it ended."""
        return await Holds(self._link, self._subjects).release(service, policy)

    async def push(self, service: str, push: Push) -> None:
        """Tells an autoscaled service, by its name, a number or a step to be scaled by. Nothing keeps it.

        Raises:
            Unavailable: no scheduler is active, or it does not know the service yet.
            UnknownObject, InvalidRequest: the service is not autoscaled, or not by that.
        """
        subject = self._subjects.gauge(service)
        try:
            answer = await self._link.request(subject, push.model_dump_json().encode(), PUSH_TIMEOUT_S)
        except NobodyAnswers as error:
            raise Unavailable(f"no active scheduler listens on {subject}: start one, or try again") from error
        raise_error(answer)

    async def wake(self, service: str, lasts_s: float) -> Session:
        """Wants a service, by its name, to be awake for so long from now on, at least; its labels say what that means.

        Raises:
            InvalidRequest: it is shorter than a second, or longer than a week.
        """
        return await Sessions(self._link, self._subjects).open(service, lasts_s)

    async def session(self, service: str) -> Session | None:
        """How long somebody wants a service to be awake; None: nobody does."""
        return await Sessions(self._link, self._subjects).of(service)

    async def holds(self, service: str | None = None) -> tuple[Hold, ...]:
        """The holds of a service, None: of all."""
        holds = Holds(self._link, self._subjects)
        return await (holds.all() if service is None else holds.of(service))

"""What each receiver was told last, and what follows from that. Pure; `store` keeps it in NATS.

It is noted before a request that the receiver may know something else from now on, and after it what it knows. So no
crash in between is forgotten: what is unsure is told again, and what may be known is removed when it is gone.
"""

from dataclasses import dataclass
from typing import Literal

from funswarm.state import Published
from services.notifier.docker_flow.news import News, query
from services.notifier.docker_flow.settings import Kind

Verb = Literal["create", "remove"]


class Told(Published):
    """What a receiver knows of one object; `name` and `identity` as in `News`.

    `remove`: the query of its removal, as the labels were. `mark`: of what it was told for sure; None: it is not sure.
    """

    receiver: str
    kind: Kind
    name: str
    object_id: str
    identity: str
    remove: str
    mark: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """The next request. `query`: what it says; `before`: what is noted before it; `after`: then, None: nothing is left.

    `identity`, `mark`: steps in which both and the verb are equal are one, tried again.
    """

    verb: Verb
    object_id: str
    identity: str
    mark: str
    query: str
    before: Told
    after: Told | None

    @property
    def sense(self) -> tuple[str, str, str]:
        """What it is about: another sense is another step."""
        return (self.verb, self.identity, self.mark)


def next_step(receiver: str, address: str, told: Told | None, news: News | None, *, again: bool) -> Step | None:
    """What `receiver` is to be told next; None: it knows all, or what it does not know may not be told yet.

    `address`: the method and URL of creations: told under another one is not told. `again`: also what it knows, of
    services that run.
    """
    if told is not None and (news is None or news.identity != told.identity):
        unsure = told.model_copy(update={"mark": None})
        return Step("remove", told.object_id, told.identity, told.remove, told.remove, unsure, None)
    if news is None or not news.is_ready:
        return None
    mark = f"{news.mark} {address}"
    if told is not None and told.mark == mark and not (again and news.settled):
        return None
    before = Told(
        receiver=receiver, kind=news.kind, name=news.name, object_id=news.object_id, identity=news.identity,
        remove=query(news.remove),
    )  # fmt: skip
    after = before.model_copy(update={"mark": mark})
    return Step("create", news.object_id, news.identity, mark, query(news.create), before, after)

"""Laws of the wake policy, over whole stories: requests, sessions that end, deploys, hands, refusals and take-overs."""

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from funswarm.commands import ScaleCommand
from funswarm.messages import Result, ResultStatus
from funswarm.sessions import Session
from funswarm.state import COMMAND_LABEL, ServiceState
from services.scheduler.policies.evaluate import Plan, evaluate
from services.scheduler.policies.record import Record
from services.scheduler.policies.wake import Wake
from tests.builders import a_service
from tests.floors import NOW, a_case

ON = {"funswarm.wake.enable": "true", "funswarm.wake.active-replicas": "3", "funswarm.wake.idle-after": "60s"}
MINUTE = timedelta(minutes=1)


class Story:
    """A service, the policy, and a clock; a command takes effect at once, is refused, or is seen later."""

    def __init__(self) -> None:
        self.now, self.version, self.replicas = NOW, 10, 0
        self.label: str | None = None
        self.sessions: dict[str, Session] = {}
        self.record = Record(service="web")
        self.results: dict[str, Result] = {}
        self.pending: tuple[str, int] | None = None
        self.commanded = 0

    # As the policy's sessions.
    def open(self) -> dict[str, Session]:
        return self.sessions

    def watches(self, name: str) -> None:
        raise NotImplementedError

    async def run(self, touch: Any) -> None:
        raise NotImplementedError

    @property
    def service(self) -> ServiceState:
        labels = ON | ({COMMAND_LABEL: self.label} if self.label else {})
        return a_service("web", replicas=self.replicas, version=self.version, labels=labels)

    # What happens.
    def asked_for(self) -> None:
        self.sessions = {"web": Session(service="web", since=self.now, until=self.now + MINUTE)}

    def left(self) -> None:
        self.sessions = {}

    def deployed(self, replicas: int) -> None:
        self._write(replicas, None)

    def scaled_by_hand(self, replicas: int) -> None:
        self._write(replicas, "ann-1")

    def taken_over(self) -> None:
        """By a scheduler that knows only what is kept."""
        self.record = Record.model_validate_json(self.record.model_dump_json())

    def lands(self) -> None:
        """What was commanded is done, unless somebody wrote in between: it expected another version then."""
        if self.pending is None:
            return
        (command_id, expected), self.pending = self.pending, None
        command = self.record.sent["wake"].command
        done = expected == self.version
        self.results[command_id] = Result(
            command_id=command_id, verb="scale", target="web", changed=done, service_id=self.service.id,
            status=ResultStatus.SUCCEEDED if done else ResultStatus.REFUSED, finished_at=self.now,
            written_from=self.version if done else None,
        )  # fmt: skip
        if done:
            assert isinstance(command, ScaleCommand)
            self._write(command.replicas, command.id)

    def looks(self) -> Plan:
        case = a_case(self.service, (Wake(self),), self.record, now=self.now, results=self.results)
        plan = evaluate(case)
        self.record = plan.record
        if plan.command is not None:
            self.pending = (plan.command.id, self.version)
            self.commanded += 1
        return plan

    def settles(self) -> None:
        """Time passes, and nothing else happens."""
        for _ in range(20):
            self.looks()
            self.lands()
            self.now += MINUTE

    def _write(self, replicas: int, label: str | None) -> None:
        self.replicas, self.label, self.version = replicas, label, self.version + 1


STEPS = st.lists(
    st.one_of(
        st.sampled_from(["asked_for", "left", "taken_over", "lands", "looks", "looks"]).map(lambda name: (name,)),
        st.tuples(st.sampled_from(["deployed", "scaled_by_hand"]), st.sampled_from([0, 1, 3, 5])),
        st.just(("waits",)),
    ),
    max_size=25,
)


def told(steps: list[tuple[Any, ...]]) -> Story:
    story = Story()
    for name, *arguments in steps:
        if name == "waits":
            story.now += MINUTE
        else:
            getattr(story, name)(*arguments)
    return story


@settings(deadline=None)
@given(STEPS)
def test_what_nobody_asks_for_sleeps_in_the_end(steps):
    story = told(steps)
    story.left()
    story.settles()
    assert 0 == story.replicas


@settings(deadline=None)
@given(STEPS)
def test_what_slept_is_awake_when_somebody_asks(steps):
    story = told(steps)
    story.left()
    story.settles()
    story.asked_for()
    story.settles()
    assert 3 == story.replicas


@settings(deadline=None)
@given(STEPS)
def test_while_somebody_asks_nothing_is_taken_away(steps):
    story = told([*steps, ("lands",), ("asked_for",)])
    before = story.replicas
    story.settles()
    assert story.replicas >= before


@settings(deadline=None)
@given(STEPS)
def test_it_comes_to_rest(steps):
    story = told(steps)
    story.settles()
    before = story.commanded
    story.settles()
    assert before == story.commanded

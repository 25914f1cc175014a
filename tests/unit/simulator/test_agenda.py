"""What is due when."""

from services.simulator.agenda import Agenda, ManualClock
from services.simulator.cluster import Cluster
from services.simulator.model import State


class Going:
    """A clock that goes on whenever one looks at it, as a real one does."""

    def __init__(self) -> None:
        self._looks = 0

    def now(self) -> float:
        """Seconds since 1970."""
        self._looks += 1
        return float(self._looks)


def test_what_is_begun_together_is_due_together():
    agenda, done = Agenda(Going()), list[str]()

    def begin() -> None:
        agenda.after(100, lambda: done.append("first"))
        agenda.after(100, lambda: done.append("second"))

    agenda.after(0, begin)
    while not done:
        agenda.run_due()
    assert ["first", "second"] == done


def test_what_is_due_at_once_is_done_in_the_same_run():
    agenda, done = Agenda(Going()), list[str]()
    agenda.after(0, lambda: agenda.after(0, lambda: done.append("it")))
    agenda.run_due()
    assert ["it"] == done


def test_a_crashing_task_ends_though_the_clock_went_on_between_its_start_and_the_look_at_it():
    class GoingOn(ManualClock):
        def now(self) -> float:
            self.time += 1e-4
            return self.time

    clock = GoingOn()
    cluster = Cluster(1, clock=clock)
    template = {"ContainerSpec": {"Image": "busybox", "Command": ["false"]}, "RestartPolicy": {"Delay": 10**7}}
    cluster.create_service({"Name": "web", "TaskTemplate": template})
    failed = set[str]()
    for _ in range(200):  # each time at the moment that something is due, which the machine's timers hit now and then
        clock.time = max(clock.time, (cluster.agenda.next_due() or 0) - 1e-4)
        cluster.agenda.run_due()
        failed |= {task.id for task in cluster.store.tasks.values() if task.state is State.FAILED}
    assert len(failed) > 3

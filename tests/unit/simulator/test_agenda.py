"""What is due when."""

from services.simulator.agenda import Agenda


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

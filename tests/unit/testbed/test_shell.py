"""Bounded commands and waits."""

import pytest

from testbed.shell import SetupError, in_parallel, last_lines, run, wait_for


def test_a_failing_command_shows_its_status_and_its_output() -> None:
    with pytest.raises(SetupError, match=r"status 3\nwhy"):
        run("sh", "-c", "echo why >&2; exit 3")


def test_a_missing_command_is_named() -> None:
    with pytest.raises(SetupError, match="'no-such-command' is not installed"):
        run("no-such-command")


def test_a_command_is_ended_when_its_time_is_over() -> None:
    with pytest.raises(SetupError, match="did not end within"):
        run("sleep", "60", timeout_s=0.05)


def test_a_wait_returns_what_the_condition_found() -> None:
    answers = iter([None, None, "found"])

    assert "found" == wait_for(lambda: next(answers), "an answer", timeout_s=60, every_s=0)


def test_a_wait_goes_on_after_an_error() -> None:
    answers = iter([False, True])

    def flaky() -> bool:
        if not next(answers):
            raise SetupError("not yet")
        return True

    assert wait_for(flaky, "an answer", timeout_s=60, every_s=0)


def test_a_wait_in_vain_tells_the_last_error_and_the_log() -> None:
    def broken() -> bool:
        raise SetupError("no route")

    with pytest.raises(SetupError, match=r"in vain for a node[\s\S]*no route[\s\S]*the log's end"):
        wait_for(broken, "a node", timeout_s=0, log=lambda: "the log's end")


def test_parallel_results_are_in_the_order_of_the_values() -> None:
    assert [2, 4, 6] == in_parallel(lambda value: value * 2, [1, 2, 3])


def test_only_the_last_lines_of_a_log_are_shown() -> None:
    assert "8\n9" == last_lines("\n".join(str(number) for number in range(10)), lines=2)

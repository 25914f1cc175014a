"""`funswarm hold | release | explain`: what they ask of the client, and what they show."""

from datetime import timedelta

from funswarm.decisions import Decision, DecisionOutcome, DecisionPage
from funswarm.errors import UnknownObject
from funswarm.holds import Hold
from tests.builders import a_service
from tests.unit.cli.conftest import NOW

HOLD = Hold(service="web", policy="cron", until=NOW + timedelta(hours=1), reason="night")
DECISION = Decision(
    id="d1", time=NOW, policy="floor", service="web", outcome=DecisionOutcome.BLOCKED, reason="lag 900", verb="scale",
    before=1, after=5, formula="ceil(900/200)=5", limiter="held",
)  # fmt: skip


def test_a_hold_says_how_long_for_whom_and_why(cli):
    cli.answers |= {"service": a_service(), "hold": HOLD}
    done = cli.run("hold", "service-web", "1h", "--policy", "cron", "--reason", "night")
    asked = cli.asked[-1][1]
    assert ("web", "cron", "night") == (asked.service, asked.policy, asked.reason)
    assert "cron leaves web alone until 2026-11-23 13:00:00 UTC (night)" in done.output


def test_a_hold_of_no_duration_is_a_usage_error(cli):
    assert 2 == cli.run("hold", "web", "soon").exit_code


def test_a_hold_of_an_unknown_service_is_refused(cli):
    cli.answers["service"] = UnknownObject("there is no service 'wep'")
    assert 1 == cli.run("hold", "wep", "1h").exit_code


def test_a_release_says_what_it_ended(cli):
    cli.answers |= {"service": a_service(), "release": (HOLD,)}
    assert "released: cron leaves web alone" in cli.run("release", "web").output


def test_a_release_of_nothing_says_so(cli):
    cli.answers |= {"service": a_service(), "release": ()}
    assert "there was no hold of web" in cli.run("release", "web").output


def test_an_explanation_is_in_plain_words(cli):
    cli.answers |= {"service": a_service(), "decisions": DecisionPage(items=(DECISION,))}
    line = "floor wanted 1 → 5 replicas: lag 900 [ceil(900/200)=5]; held back: held"
    assert line in cli.run("explain", "web").output


def test_a_removed_service_can_be_explained(cli):
    cli.answers |= {"service": UnknownObject("gone"), "decisions": DecisionPage(items=(DECISION,))}
    assert 0 == cli.run("explain", "web").exit_code


def test_without_a_decision_that_is_said(cli):
    cli.answers |= {"service": a_service(), "decisions": DecisionPage()}
    assert "no policy has decided anything about web" in cli.run("explain", "web").output


def test_holds_are_shown_among_the_services(cli):
    cli.answers["holds"] = (HOLD,)
    assert "cron leaves web alone" in cli.run("ps").output

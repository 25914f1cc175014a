"""What is to be told next, of what is known and what there is: cancelmanager_test.go's questions, without its races."""

from dataclasses import replace

from services.notifier.docker_flow.news import News
from services.notifier.docker_flow.told import Step, Told, next_step
from tests.unit.notifier.docker_flow.scenes import news_of

ADDRESS = "GET http://proxy/create"


def step(told: Told | None, news: News | None, *, again: bool = False, address: str = ADDRESS) -> Step | None:
    return next_step("proxy", address, told, news, again=again)


def known(news: News | None = None, address: str = ADDRESS) -> Told:
    """After it was told."""
    first = step(None, news or news_of(), address=address)
    assert first is not None
    assert first.after is not None
    return first.after


def verb(*arguments, **how) -> str | None:
    found = step(*arguments, **how)
    return None if found is None else found.verb


def test_what_is_new_is_told():
    assert "create" == verb(None, news_of())


def test_what_is_known_is_not_told():
    assert verb(known(), news_of()) is None


def test_what_has_changed_is_told():
    assert "create" == verb(known(), news_of(port="80"))


def test_what_may_be_known_is_told():
    assert "create" == verb(known().model_copy(update={"mark": None}), news_of())


def test_what_is_known_is_told_again_if_asked():
    assert "create" == verb(known(), news_of(), again=True)


def test_what_is_known_and_does_not_run_is_not_told_again_yet():
    assert verb(known(), replace(news_of(), settled=False), again=True) is None


def test_what_is_known_at_another_address_is_told():
    assert "create" == verb(known(), news_of(), address="POST http://proxy/create")


def test_what_may_not_be_told_yet_is_not():
    waiting = replace(news_of(port="80"), is_ready=False)
    assert (None, None) == (verb(None, waiting), verb(known(), waiting, again=True))


def test_what_is_gone_is_removed_with_the_labels_it_had():
    found = step(known(news_of(port="80")), None)
    assert found is not None
    assert ("remove", "distribute=true&port=80&serviceName=web", None) == (found.verb, found.query, found.after)


def test_what_may_be_known_and_is_gone_is_removed():
    assert "remove" == verb(known().model_copy(update={"mark": None}), None)


def test_what_was_never_told_is_not_removed():
    assert verb(None, None) is None


def test_what_is_created_anew_is_removed_first():
    assert "remove" == verb(known(), replace(news_of(), identity="another web"))


def test_what_has_another_acl_name_is_removed_under_the_old_one_first():
    found = step(known(news_of(aclName="01-web")), news_of(aclName="02-web"))
    assert found is not None
    assert ("remove", True) == (found.verb, "aclName=01-web" in found.query)


def test_before_it_is_told_it_is_noted_as_unsure():
    found = step(known(), news_of(port="80"))
    assert found is not None
    assert (None, "distribute=true&port=80&serviceName=web") == (found.before.mark, found.before.remove)


def test_what_is_unsure_survives_as_json():
    told = known().model_copy(update={"mark": None})
    assert told == Told.model_validate_json(told.model_dump_json())

"""Settings: from the environment and files, with errors that name the variable."""

import pytest

from services.settings import SettingsError, load, unknown


def test_the_default_prefix_is_funswarm():
    assert load().prefix == "funswarm"


def test_nats_url_is_read_under_its_usual_name(monkeypatch):
    monkeypatch.setenv("NATS_URL", "nats://a:1")
    assert load().nats_url == "nats://a:1"


def test_funswarm_nats_url_wins_over_nats_url(monkeypatch):
    monkeypatch.setenv("NATS_URL", "nats://a:1")
    monkeypatch.setenv("FUNSWARM_NATS_URL", "nats://b:1")
    assert load().nats_url == "nats://b:1"


def test_a_secret_may_come_from_a_file(monkeypatch, tmp_path):
    (tmp_path / "password").write_text("s3cret\n")
    monkeypatch.setenv("FUNSWARM_NATS_PASSWORD_FILE", str(tmp_path / "password"))
    assert load().nats_password == "s3cret"


def test_secrets_do_not_show(monkeypatch):
    monkeypatch.setenv("FUNSWARM_NATS_PASSWORD", "s3cret")
    assert "s3cret" not in repr(load())


def test_a_file_that_is_missing_is_named(monkeypatch):
    monkeypatch.setenv("FUNSWARM_NATS_PASSWORD_FILE", "/nowhere/password")
    with pytest.raises(SettingsError, match="FUNSWARM_NATS_PASSWORD_FILE=/nowhere/password"):
        load()


def test_an_empty_variable_is_not_set(monkeypatch):
    monkeypatch.setenv("FUNSWARM_CLUSTER", "")
    assert load().cluster is None


def test_watch_is_a_list_with_commas(monkeypatch):
    monkeypatch.setenv("FUNSWARM_WATCH", "network, secret")
    assert load().watch == ("network", "secret")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FUNSWARM_WATCH", "container"),
        ("FUNSWARM_PREFIX", "a b"),
        ("FUNSWARM_HTTP_PORT", "eighty"),
        ("FUNSWARM_LIST_SHARE", "2"),
        ("FUNSWARM_DEFAULT_SERVICE", "/nowhere.json"),
        ("FUNSWARM_LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=variable):
        load()


def test_the_default_service_is_json_or_a_file_of_it(monkeypatch, tmp_path):
    (tmp_path / "web.json").write_text('{"image": "nginx"}')
    monkeypatch.setenv("FUNSWARM_DEFAULT_SERVICE", '{"image": "nginx"}')
    inline = load().default_service
    monkeypatch.setenv("FUNSWARM_DEFAULT_SERVICE", str(tmp_path / "web.json"))
    assert {"image": "nginx"} == inline == load().default_service


def test_a_misspelt_variable_is_found(monkeypatch):
    monkeypatch.setenv("FUNSWARM_PERFIX", "x")
    monkeypatch.setenv("FUNSWARM_NATS_PASSWORD_FILE", "x")
    assert unknown() == ["FUNSWARM_PERFIX"]


def test_a_wrong_value_that_may_hold_a_secret_is_not_shown(monkeypatch):
    monkeypatch.setenv("FUNSWARM_DEFAULT_SERVICE", '{"env": {"PASSWORD": "s3cret"}')
    with pytest.raises(SettingsError, match="FUNSWARM_DEFAULT_SERVICE: neither JSON") as caught:
        load()
    assert "s3cret" not in str(caught.value)

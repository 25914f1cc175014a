"""`funswarm batch`: what is read from the file, and what is said of the outcome."""

import json

import pytest
from typer.testing import CliRunner

from funswarm.cli.app import app
from funswarm.commands import BatchItem
from funswarm.how import How
from funswarm.messages import BatchItemResult, Code
from funswarm.outcome import Accepted

COMMAND = {"verb": "scale", "target": "web", "replicas": 3}
ASKED = (BatchItem(name="web", command=COMMAND),)
TEXTS = {
    "json": json.dumps({"name": "shop", "commands": [{"name": "web", "command": COMMAND}]}),
    "toml": 'name = "shop"\n[[commands]]\nname = "web"\ncommand = {verb = "scale", target = "web", replicas = 3}\n',
    "yaml": "name: shop\ncommands:\n- name: web\n  command: {verb: scale, target: web, replicas: 3}\n",
}


@pytest.fixture
def asked(cli, done, tmp_path):
    """Run it on a file of that text; the batch succeeds unless the test says otherwise."""
    item = BatchItemResult(name="web", command_id="b1-web", status="succeeded", changed=True)
    cli.answers["batch"] = done("batch", "shop", changed=True, items=(item,))

    def asked(text=TEXTS["json"], *options, suffix="json"):
        file = tmp_path / f"batch.{suffix}"
        file.write_text(text)
        return cli.run("batch", "--file", str(file), *options)

    return asked


@pytest.mark.parametrize("suffix", TEXTS)
def test_a_batch_is_read_as_its_file_is_written(cli, asked, suffix):
    assert 0 == asked(TEXTS[suffix], suffix=suffix).exit_code
    assert ("batch", ASKED, "shop", {"how": How(wait_s=300.0)}) == cli.asked[0]


def test_how_each_command_ended_is_shown(cli, done, asked):
    item = BatchItemResult(name="db", command_id="b1-db", status="refused", code=Code.NAME_TAKEN, reason="taken")
    cli.answers["batch"] = done("batch", "shop", "refused", code=Code.NAME_TAKEN, reason="db: taken", items=(item,))
    outcome = asked()
    assert (1, True) == (outcome.exit_code, "name-taken" in outcome.stdout)


def test_a_detached_batch_says_where_to_ask(cli, asked):
    cli.answers["batch"] = Accepted("b1")
    outcome = asked(TEXTS["json"], "--detach")
    assert (0, True) == (outcome.exit_code, "funswarm result b1" in outcome.stderr)


def test_a_batch_that_is_not_done_in_time_is_unavailable(cli, asked):
    cli.answers["batch"] = Accepted("b1")
    assert 3 == asked().exit_code


@pytest.mark.parametrize(
    ("expected", "text", "suffix"),
    [
        ("commands: Field required", "{}", "json"),
        ("Expecting value", "nonsense", "json"),
        ("batch.yaml: it is no YAML", "a: [", "yaml"),
        ("'name' is there twice", "name: a\nname: b", "yaml"),
        ("batch.toml", "a = ", "toml"),
        ("comands: unknown field", '{"comands": []}', "json"),
    ],
)
def test_a_file_that_is_no_batch_is_refused_with_where(cli, asked, expected, text, suffix):
    outcome = asked(text, suffix=suffix)
    assert (2, True) == (outcome.exit_code, expected in outcome.stderr.replace("\n", ""))
    assert [] == cli.asked


@pytest.mark.parametrize("command", [["batch"], ["create"], ["update", "web"], ["hooks", "put"]])
def test_a_file_is_read_before_nats_is_needed(command):
    outcome = CliRunner().invoke(app, ["--url", "nats://127.0.0.1:9", *command, "--file", "/no/such/file.json"])
    assert (2, True) == (outcome.exit_code, "No such file" in outcome.stderr.replace("\n", ""))

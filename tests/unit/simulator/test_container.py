"""What a container does, by its command."""

import pytest

from services.simulator.container import FOREVER, Outcome, image_exists, outcome


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ([], FOREVER),
        (["nginx", "-g", "daemon off;"], FOREVER),
        (["true"], Outcome(0.0)),
        (["/bin/false"], Outcome(0.0, 1)),
        (["sleep", "3"], Outcome(3.0)),
        (["sleep", "1m"], Outcome(60.0)),
        (["sleep", "infinity"], FOREVER),
        (["busybox", "sleep", "2"], Outcome(2.0)),
        (["sh", "-c", "exit 3"], Outcome(0.0, 3)),
        (["sh", "-c", "sleep 1; sleep 0.5; exit 4"], Outcome(1.5, 4)),
        (["sh", "-c", "sleep 1 && false && sleep 5"], Outcome(1.0, 1)),
        (["sh", "-c", "false; true"], Outcome(0.0)),
        (["sh", "-c", "exec sleep 2"], Outcome(2.0)),
        (["sh", "-c", "while true; do sleep 1; done"], FOREVER),
        (["sh", "-c", "echo 'unbalanced"], FOREVER),
        (["sh", "-c", "trap 'exit 0' TERM; sleep 2"], Outcome(2.0)),
    ],
)
def test_a_command_ends_so(command, expected):
    assert expected == outcome({"Image": "i", "Command": command})


def test_arguments_follow_the_command():
    assert Outcome(2.0) == outcome({"Image": "i", "Command": ["sleep"], "Args": ["2"]})


def test_hello_world_ends_at_once():
    assert Outcome(0.0) == outcome({"Image": "library/hello-world:latest"})


@pytest.mark.parametrize(("image", "exists"), [("nginx", True), ("missing:1", False), ("x.io/missing-too", False)])
def test_images_named_missing_are(image, exists):
    assert exists is image_exists({"Image": image})

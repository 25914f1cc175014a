"""Starting an engine where that cannot be done."""

import os

import pytest

from testbed import engine
from testbed.shell import SetupError


def test_who_is_not_root_and_may_not_use_docker_is_told_why_and_the_ways_out(monkeypatch):
    def refused(*command, **_):
        raise SetupError("'docker version' failed with status 1\npermission denied: /var/run/docker.sock")

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(engine, "run", refused)
    with pytest.raises(SetupError, match=r"group docker, or set DOCKER_HOST\. permission denied: /var/run/docker.sock"):
        engine._start_own()

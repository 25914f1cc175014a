"""Installing what is missing, where that cannot be done."""

import contextlib
import os

import pytest

from testbed import debian
from testbed.shell import SetupError


def test_who_is_not_root_is_told_what_to_install_and_nothing_about_docker(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(debian, "locked", contextlib.nullcontext)
    with pytest.raises(SetupError, match=r"cannot be installed: install curl yourself$"):
        debian.install({"no-such-command": "curl"})

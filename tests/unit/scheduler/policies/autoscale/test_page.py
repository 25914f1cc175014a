"""The stack file of docs/autoscale.md asks for what the page says."""

import re
from pathlib import Path

import yaml

from services.scheduler.policies.autoscale.settings import Settings, parse
from tests.builders import a_service

PAGE = (Path(__file__).parents[5] / "docs" / "autoscale.md").read_text(encoding="utf-8")


def test_its_labels_are_followed():
    stack = yaml.safe_load(re.findall(r"^```yaml\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)[0])
    labels = stack["services"]["worker"]["deploy"]["labels"]
    parsed = parse(a_service("worker", labels=labels))
    assert (Settings(max=10, lag=100, stream="ORDERS", consumer="work"), ()) == (parsed.settings, parsed.problems)


def test_it_names_every_label():
    keys = {name.replace("_", "-") for name in Settings.model_fields} - {"cooldown-minutes"}
    assert [] == [key for key in sorted(keys) if f"`{key}`" not in PAGE]

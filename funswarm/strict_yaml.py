"""YAML as people write it, read strictly. Pure; needs PyYAML, which the package itself does not depend on."""

from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """A key that is there twice is an error: else the second would silently undo the first."""

    def compose_mapping_node(self, anchor: dict[Any, yaml.Node]) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if (key.tag, key.value) in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} is there twice", key.start_mark)
            seen.add((key.tag, key.value))
        return node


def load_yaml(text: str) -> Any:
    """What a text of one document says; None: nothing.

    Raises:
        ValueError: it is no YAML, or has a key twice; with the line.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506  a safe loader
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"it is no YAML: {error}") from error
    except (ValueError, TypeError, LookupError, AttributeError) as error:  # PyYAML on 2026-13-01, !!bool perhaps …
        raise ValueError(f"it is no YAML, for a value is none of its type: {error}") from error

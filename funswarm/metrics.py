"""Many parts' metrics as one page that Prometheus takes. Pure.

The text format wants all lines of a family together under one HELP and TYPE, and no series twice; pages of several
processes put one after the other have neither.
"""

from collections.abc import Iterable

_SUFFIXES = ("_bucket", "_count", "_sum", "_total", "_created")


def merge(pages: Iterable[str]) -> str:
    """The families of all pages, each once, in the order of their first sight; of equal series the first is kept."""
    families: dict[str, list[str]] = {}
    seen: set[str] = set()
    for page in pages:
        family = ""
        for line in page.splitlines():
            if not line.strip() or (line.startswith("#") and not line.startswith(("# HELP ", "# TYPE "))):
                continue
            if line.startswith("#"):
                family = line.split(" ", 3)[2]
            elif not _belongs(line, family):
                family = _series(line).partition("{")[0]
            key = _series(line)
            if key not in seen:
                seen.add(key)
                families.setdefault(family, []).append(line)
    return "".join(f"{line}\n" for lines in families.values() for line in lines)


def labelled(page: str, instance: str) -> str:
    """`page` with the label `instance` in every series, so that the copies of a part can be told apart."""
    label = 'instance="' + instance.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return "".join(f"{line if line.startswith('#') else _with(line, label)}\n" for line in page.splitlines() if line)


def _with(sample: str, label: str) -> str:
    name, brace, rest = sample.partition("{")
    if brace:
        return f"{name}{{{label},{rest}"
    name, _, value = sample.partition(" ")
    return f"{name}{{{label}}} {value}"


def _belongs(sample: str, family: str) -> bool:
    name = _series(sample).partition("{")[0]
    return name == family or (name.startswith(family) and name.removeprefix(family) in _SUFFIXES)


def _series(line: str) -> str:
    """A line without its value: what may be there once."""
    if line.startswith("#"):
        return " ".join(line.split(" ", 3)[:3])
    return line.rpartition("}")[0] if "}" in line else line.split(" ", 1)[0]

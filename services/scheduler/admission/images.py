"""Docker's image references, taken apart as Docker does, and the patterns of repositories in a policy. Pure.

The grammar is distribution/reference's: what stands before the first `/` is a registry only where it has a dot, a port
or a capital letter, or is `localhost`; else the image is Docker Hub's, and in `library/` where it has no `/` at all.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

HUB: Final = "docker.io"

_DOMAIN_PART = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN: Final = re.compile(rf"(?:{_DOMAIN_PART}(?:\.{_DOMAIN_PART})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?", re.ASCII)
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_PATH: Final = re.compile(rf"{_PART}(?:/{_PART})*", re.ASCII)
_TAG: Final = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}", re.ASCII)
_ID: Final = re.compile(r"(?:sha256:)?[0-9a-f]{64}", re.ASCII)
_PATTERN: Final = re.compile(r"[\w.*:/\[\]-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Image:
    """`repository` with its registry, as `docker.io/library/nginx`; `digest` None: not pinned."""

    repository: str
    tag: str | None
    digest: str | None


def parsed(text: str) -> Image:
    """The image that Docker understands.

    Raises:
        ValueError: it is none, or a bare image id, which comes from no registry.
    """
    if _ID.fullmatch(text):
        raise ValueError(f"{text!r} is an image's id: it names no registry and no repository")
    rest, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise ValueError(f"{text!r} has a digest that is none: write @sha256:… with 64 hexadecimal digits")
    head, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:  # no tag: the colon, if any, is the registry's port
        head, tag = rest, ""
    elif not _TAG.fullmatch(tag):
        raise ValueError(f"{text!r} has a tag that is none")
    repository = _whole(head)
    domain, _, path = repository.partition("/")
    if not (_DOMAIN.fullmatch(domain) and _PATH.fullmatch(path)):
        raise ValueError(f"{text!r} is no image: write [registry/]name[:tag][@sha256:…], the name in lower case")
    return Image(repository, tag or None, digest or None)


def _whole(name: str) -> str:
    """A repository with its registry; a registry's capitals stay, so it is equal to none in lower case."""
    first, slash, rest = name.partition("/")
    is_registry = slash and ("." in first or ":" in first or first == "localhost" or first != first.lower())
    domain, path = (first, rest) if is_registry else (HUB, name)
    if domain in (HUB, "index.docker.io"):
        domain, path = HUB, path if "/" in path or path == "**" else f"library/{path}"
    return f"{domain}/{path}"


def pattern(text: str) -> str:
    """A pattern of repositories, whole: `nginx` is `docker.io/library/nginx`, `team/*` is `docker.io/team/*`.

    Raises:
        ValueError: it is none.
    """
    if text in ("*", "**"):
        return "**"
    if not _PATTERN.fullmatch(text):
        raise ValueError(f"{text!r} is no pattern of repositories: write as 'registry.example:5000/team/*'")
    whole = _whole(text)
    domain, _, path = whole.partition("/")
    if ":" in path:
        raise ValueError(f"{text!r} has a tag: patterns are of repositories, without tag and digest")
    if "*" in domain:
        raise ValueError(f"{text!r} has a '*' in the registry: name each registry")
    return whole


@lru_cache(maxsize=1024)
def _compiled(whole: str) -> re.Pattern[str]:
    """`*`: anything within one part between slashes; `**`: any number of parts."""
    words = re.split(r"(\*\*|\*)", whole)
    return re.compile("".join({"**": ".+", "*": "[^/]+"}.get(word, re.escape(word)) for word in words))


def matches(repository: str, patterns: tuple[str, ...]) -> bool:
    """Whether one of the patterns (in their whole form) is of the repository."""
    return any(_compiled(one).fullmatch(repository) for one in patterns)

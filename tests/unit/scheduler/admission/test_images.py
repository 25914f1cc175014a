"""Image references are taken apart as Docker does; patterns match whole repositories."""

import pytest

from services.scheduler.admission.images import Image, matches, parsed, pattern

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "repository", "tag", "digest"),
    [
        ("nginx", "docker.io/library/nginx", None, None),
        ("nginx:1.27", "docker.io/library/nginx", "1.27", None),
        (f"nginx@{DIGEST}", "docker.io/library/nginx", None, DIGEST),
        (f"nginx:1@{DIGEST}", "docker.io/library/nginx", "1", DIGEST),
        ("library/nginx", "docker.io/library/nginx", None, None),
        ("docker.io/nginx", "docker.io/library/nginx", None, None),
        ("index.docker.io/nginx", "docker.io/library/nginx", None, None),
        ("team/app", "docker.io/team/app", None, None),
        ("localhost/app", "localhost/app", None, None),
        ("localhost:5000/app:1", "localhost:5000/app", "1", None),
        ("registry.example/a/b/c:x_Y.z-1", "registry.example/a/b/c", "x_Y.z-1", None),
        ("[::1]:5000/app", "[::1]:5000/app", None, None),
        ("Docker.io/nginx", "Docker.io/nginx", None, None),
        ("REGISTRY/app", "REGISTRY/app", None, None),
        ("registry:5000", "docker.io/library/registry", "5000", None),
    ],
)
def test_a_reference_is_understood(text, repository, tag, digest):
    assert Image(repository, tag, digest) == parsed(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "/", "Nginx", "nginx:", "nginx@", "nginx@sha256:1", "a//b", "a/", "/a", "docker.io/", "a b", "nginx\n",
        "a" * 64, DIGEST, "registry.example/../a", "http://registry.example/a", "nginx:t@g", "e.x/ä",
    ],
)  # fmt: skip
def test_what_is_no_reference_is_refused(text):
    with pytest.raises(ValueError, match=r"image|digest|tag"):
        parsed(text)


@pytest.mark.parametrize(
    ("given", "repository", "expected"),
    [
        ("nginx", "docker.io/library/nginx", True),
        ("nginx", "docker.io/library/nginx-evil", False),
        ("nginx", "evil.example/library/nginx", False),
        ("team/*", "docker.io/team/app", True),
        ("team/*", "docker.io/team/sub/app", False),
        ("team/**", "docker.io/team/sub/app", True),
        ("team/**", "docker.io/team-evil/app", False),
        ("registry.example:5000/*", "registry.example:5000/app", True),
        ("registry.example:5000/*", "registry.example/app", False),
        ("registry.example/*", "registryxexample/app", False),
        ("registry.example/*", "registry.example.evil/app", False),
        ("docker.io/*", "docker.io/library/nginx", True),
        ("docker.io/*", "docker.io/team/app", False),
        ("docker.io/**", "docker.io/team/app", True),
        ("**", "evil.example/anything", True),
    ],
)
def test_a_pattern_matches_whole_parts(given, repository, expected):
    assert expected == matches(repository, (pattern(given),))


@pytest.mark.parametrize("text", ["*.example/app", "nginx:1", "registry.example/app:1", "a b", f"nginx@{DIGEST}"])
def test_what_is_no_pattern_is_refused(text):
    with pytest.raises(ValueError, match=r"pattern|registry|tag"):
        pattern(text)

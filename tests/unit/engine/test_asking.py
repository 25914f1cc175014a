"""Which API version is spoken with which engine."""

import pytest

from funswarm.errors import Failed, Unavailable
from services.engine.asking import negotiated


@pytest.mark.parametrize(
    ("highest", "lowest", "expected"),
    [
        ("1.41", "1.12", "1.41"),
        ("1.47", "1.24", "1.47"),
        ("1.52", "1.44", "1.52"),
        ("1.56", "1.40", "1.52"),
        ("1.60", "1.54", "1.54"),
        ("1.41", None, "1.41"),
    ],
)
def test_the_highest_version_that_both_know_is_spoken(highest, lowest, expected):
    assert expected == negotiated(highest, lowest)


def test_an_engine_that_is_too_old_is_refused_with_the_way_out():
    with pytest.raises(Failed, match=r"Docker 20\.10 or later"):
        negotiated("1.40", "1.12")


@pytest.mark.parametrize("version", [None, "", "x.y", "1"])
def test_what_has_no_version_is_no_engine(version):
    with pytest.raises(Unavailable, match="no Docker engine"):
        negotiated(version, None)

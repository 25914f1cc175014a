"""Signatures of webhooks, as Standard Webhooks has them."""

import pytest

from funswarm.signature import is_signed, key_of, new_secret, sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, TIME, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="  # of the specification's own example
HEADERS = {"webhook-id": ID, "webhook-timestamp": str(TIME), "webhook-signature": SIGNATURE}


def test_the_example_of_the_specification_is_signed_as_it_says():
    assert SIGNATURE == sign(SECRET, ID, TIME, BODY)


def test_what_is_signed_is_known():
    assert is_signed(SECRET, HEADERS, BODY, now_s=TIME + 10)


def test_one_of_several_signatures_is_enough():
    assert is_signed(SECRET, {**HEADERS, "webhook-signature": f"v1,AAAA {SIGNATURE}"}, BODY, now_s=TIME)


@pytest.mark.parametrize(
    ("headers", "body", "now_s"),
    [
        (HEADERS, BODY + b" ", TIME),
        ({**HEADERS, "webhook-id": "other"}, BODY, TIME),
        (HEADERS, BODY, TIME + 301),
        (HEADERS, BODY, TIME - 301),
        ({}, BODY, TIME),
        ({**HEADERS, "webhook-timestamp": "soon"}, BODY, TIME),
        ({**HEADERS, "webhook-signature": "é"}, BODY, TIME),
    ],
)
def test_anything_else_is_not(headers, body, now_s):
    assert not is_signed(SECRET, headers, body, now_s=now_s)


def test_a_new_secret_can_be_signed_with():
    assert 32 == len(key_of(new_secret()))


@pytest.mark.parametrize("secret", ["hunter2", "whsec_", "whsec_c2hvcnQ=", "whsec_?", SECRET.removeprefix("whsec_")])
def test_what_is_no_secret_is_refused_with_the_way_out(secret):
    with pytest.raises(ValueError, match="funswarm hooks secret"):
        key_of(secret)

"""Signing webhooks, and checking what was signed, as Standard Webhooks 1.0 has it. Pure, but for new secrets.

What is signed is `<webhook-id>.<webhook-timestamp>.<body>`, with HMAC-SHA256; the header `webhook-signature` has `v1,`
and the signature in base64, of several secrets joined by spaces. https://www.standardwebhooks.com
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from typing import Final

ID_HEADER: Final = "webhook-id"
TIMESTAMP_HEADER: Final = "webhook-timestamp"
SIGNATURE_HEADER: Final = "webhook-signature"
TOLERANCE_S: Final = 300.0

_MARK: Final = "whsec_"
_VERSION: Final = "v1,"
_BYTES: Final = range(24, 65)


def new_secret() -> str:
    """A random secret, as `whsec_…`."""
    return _MARK + base64.b64encode(secrets.token_bytes(32)).decode()


def key_of(secret: str) -> bytes:
    """
    Raises:
        ValueError: it is no `whsec_` with 24 to 64 bytes in base64 behind it.
    """
    try:
        key = base64.b64decode(secret.removeprefix(_MARK), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith(_MARK) or len(key) not in _BYTES:
        raise ValueError("a secret is whsec_ with 24 to 64 random bytes in base64 behind it: `funswarm hooks secret`")
    return key


def sign(secret: str, webhook_id: str, timestamp_s: int, body: bytes) -> str:
    """The header `webhook-signature`. Raises what `key_of` does."""
    signed = f"{webhook_id}.{timestamp_s}.".encode() + body
    return _VERSION + base64.b64encode(hmac.new(key_of(secret), signed, hashlib.sha256).digest()).decode()


def is_signed(
    secret: str, headers: Mapping[str, str], body: bytes, now_s: float | None = None, tolerance_s: float = TOLERANCE_S
) -> bool:
    """Whether who knows the secret sent this, not longer than `tolerance_s` ago. `headers`: their names in lower case.

    Raises what `key_of` does.
    """
    try:
        webhook_id, timestamp_s = headers[ID_HEADER], int(headers[TIMESTAMP_HEADER])
    except (KeyError, ValueError):
        return False
    now_s = time.time() if now_s is None else now_s
    expected = sign(secret, webhook_id, timestamp_s, body).encode()
    given = headers.get(SIGNATURE_HEADER, "").encode().split()
    return abs(now_s - timestamp_s) <= tolerance_s and any(hmac.compare_digest(expected, one) for one in given)

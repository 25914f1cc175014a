"""W3C Trace Context, as much of it as we carry: one header from the request to the events that it caused. Pure."""

import re
import secrets

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def valid_traceparent(received: str | None) -> str | None:
    """`received` where it is a valid `traceparent`, else None."""
    return received if received is not None and _TRACEPARENT.fullmatch(received) else None


def traceparent_or_new(received: str | None) -> str:
    """`received` where it is a valid `traceparent`, else a new one (the recommendation's rule for invalid ones)."""
    if (valid := valid_traceparent(received)) is not None:
        return valid
    ids = secrets.token_hex(24)
    return f"00-{ids[:32]}-{ids[32:]}-01"

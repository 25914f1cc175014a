"""Items of the feed as Server-Sent Events and as lines of JSON. Pure.

Both carry the same names and data: `snapshot-begin`, `state`, `snapshot-end`, `change`, `relisted`, `failed`. What
comes with a sequence can be resumed after.
"""

import json

from funswarm.changes import Changed, Item, Relisted, SnapshotBegin, SnapshotEnd, Snapshotted


def sse(item: Item) -> bytes:
    """One event; `id` is the sequence. A snapshot's begin takes the id away: half a snapshot cannot be resumed."""
    name, sequence, data = _parts(item)
    place = b"id: %d\n" % sequence if sequence is not None else b"" if isinstance(item, Snapshotted) else b"id:\n"
    return b"%sevent: %s\ndata: %s\n\n" % (place, name, data)


def sse_alive(sequence: int | None) -> bytes:
    """A comment that keeps proxies from closing, and moves the browser's Last-Event-ID on."""
    return b": alive\n\n" if sequence is None else b": alive\nid: %d\n\n" % sequence


def sse_failed(reason: str) -> bytes:
    """The last event of a stream that cannot go on."""
    return b"event: failed\ndata: %s\n\n" % _reason(reason)


def ndjson(item: Item) -> bytes:
    """One line: `type`, `sequence` where there is one, `data`."""
    name, sequence, data = _parts(item)
    place = b'"sequence":%d,' % sequence if sequence is not None else b""
    return b'{"type":"%s",%s"data":%s}\n' % (name, place, data)


def ndjson_alive(sequence: int | None) -> bytes:
    """A line that keeps proxies from closing, with the sequence to resume after."""
    return b'{"type":"alive"}\n' if sequence is None else b'{"type":"alive","sequence":%d}\n' % sequence


def ndjson_failed(reason: str) -> bytes:
    """The last line of a stream that cannot go on."""
    return b'{"type":"failed","data":%s}\n' % _reason(reason)


def _parts(item: Item) -> tuple[bytes, int | None, bytes]:
    match item:
        case Changed():
            return b"change", item.sequence, item.body
        case Snapshotted():
            return b"state", None, item.state.model_dump_json().encode()
        case SnapshotBegin():
            return b"snapshot-begin", None, b"{}"
        case SnapshotEnd():
            return b"snapshot-end", item.sequence, b"{}"
        case Relisted():
            return b"relisted", None, _reason(item.reason)


def _reason(reason: str) -> bytes:
    return json.dumps({"reason": reason}).encode()

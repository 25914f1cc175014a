"""The waiting page: one HTML document without a script or anything from elsewhere, which asks again by itself. Pure.

A proxy's plugin hands on the body and its type only, so what protects the page is in the page too.
"""

import base64
import hashlib
import math
from collections.abc import Iterable
from html import escape
from typing import Final

from services.api.wake.sleepers import Seen

THEME: Final = "funswarm"
THEMES: Final = (THEME, "ghost", "hacker-terminal", "matrix", "shuffle")  # Sablier's, all of them this page
DEFAULT_NAME: Final = "This service"
_STYLE: Final = (
    ":root{color-scheme:light dark;font:1rem/1.5 system-ui,sans-serif}"
    "body{margin:0;min-height:100vh;display:grid;place-items:center;background:Canvas;color:CanvasText}"
    "main{max-width:36rem;padding:2rem}"
    "h1{font-size:1.5rem;margin:0 0 .5rem;overflow-wrap:anywhere}"
    ".wait{height:.25rem;margin:1.5rem 0;border-radius:.125rem;background:color-mix(in srgb,CanvasText 15%,Canvas);"
    "overflow:hidden}"
    ".wait::after{content:'';display:block;height:100%;width:40%;background:LinkText;"
    "animation:go 1.6s ease-in-out infinite alternate}"
    "@keyframes go{to{transform:translateX(150%)}}"
    "@media(prefers-reduced-motion:reduce){.wait::after{animation:none;width:100%;opacity:.5}}"
    "table{width:100%;border-collapse:collapse}th,td{text-align:left;padding:.25rem .75rem .25rem 0;"
    "vertical-align:top;overflow-wrap:anywhere}"
)
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'self'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def waiting_page(name: str | None, refresh_s: float, services: Iterable[Seen] | None) -> str:
    """`services` None: no details are shown."""
    title = f"{escape(name or DEFAULT_NAME)} is starting"
    seconds = max(1, math.ceil(refresh_s))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        f'<meta http-equiv="refresh" content="{seconds}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="robots" content="noindex">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f'<h1>{title}</h1>\n<p role="status">It was asleep, as nobody had used it for a while. '
        f"This page looks again every {seconds} s, and shows it as soon as it is there.</p>\n"
        '<div class="wait" aria-hidden="true"></div>\n'
        f"{_details(services) if services is not None else ''}</main>\n</body>\n</html>\n"
    )


def _details(services: Iterable[Seen]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(one.name)}</th><td>{one.running}/{one.wanted}</td>'
        f"<td>{escape(one.why_not or 'ready')}</td></tr>\n"
        for one in services
    )
    return (
        '<table>\n<thead><tr><th scope="col">Service</th><th scope="col">Tasks</th><th scope="col">State</th></tr>'
        f"</thead>\n<tbody>\n{rows}</tbody>\n</table>\n"
    )

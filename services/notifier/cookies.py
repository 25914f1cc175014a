"""What receivers set as cookies is not kept: httpx would send it back for ever, and keep as much as they like. Pure."""

from http.cookiejar import CookieJar, DefaultCookiePolicy


def no_cookies() -> CookieJar:
    """A jar that stays empty, for one client."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=()))

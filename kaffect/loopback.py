"""Who may ask a server on this machine: by which host names, and from which web pages.

For the pages that a person opens in a browser here (annotation, demo) and for the model
server. A browser lets any page send requests to this machine; by the headers `Host`,
`Origin` and `Sec-Fetch-Site` they are told apart from one's own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

_ANY = "*"


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def host_name(host: str) -> str:
    """The name in a `Host` header, in small letters and without its port; "" where it is none.

    >>> host_name("Localhost:80"), host_name("[::1]:8501"), host_name("a/b"), host_name("")
    ('localhost', '::1', '', '')
    """
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return ""
    return (parts.hostname or "") if parts.netloc == host and "@" not in host else ""


class HostCheck:
    """Who may ask a server.

    Args:
        listening: where it listens. On loopback it answers to loopback names alone, so that
            no other site's name can be pointed at it; elsewhere to addresses too, but not
            to names, for the same reason.
        allowed: further names; "*" stands for all.
    """

    def __init__(self, listening: str = "127.0.0.1", allowed: Collection[str] = ()) -> None:
        self._local = is_loopback(listening)
        self._allowed = {name.lower() for name in allowed}

    def refusal(self, headers: Mapping[str, str]) -> str | None:
        """Why a request with these headers is refused, None where it is not."""
        host = headers.get("Host", "")
        if not self._knows(host_name(host)):
            return "Unknown host name"
        origin = headers.get("Origin")
        if origin is not None and _authority(origin) != host.lower():
            return "Only this server's own page may ask"
        site = headers.get("Sec-Fetch-Site", "none")
        # Opening a page from a link or a mail is no request of another page's script.
        opened = headers.get("Sec-Fetch-Mode") == "navigate"
        if site not in ("same-origin", "none") and not opened:
            return "Only this server's own page may ask"
        return None

    def _knows(self, name: str) -> bool:
        if not name:
            return False
        if is_loopback(name) or name in self._allowed or _ANY in self._allowed:
            return True
        return not self._local and _is_address(name)


def _authority(origin: str) -> str:
    """Host and port of an `Origin` header; "" where it has none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""

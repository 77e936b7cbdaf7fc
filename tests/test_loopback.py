"""Who may ask a server on this machine: host names, origins and addresses."""

from __future__ import annotations

import pytest

from kaffect.loopback import HostCheck, host_name, is_loopback


def refusals(check: HostCheck, *hosts: str) -> list[bool]:
    return [check.refusal({"Host": host}) is not None for host in hosts]


def test_open_to_others_it_answers_to_addresses_and_allowed_names() -> None:
    """A name may be pointed at this machine by whoever owns it; an address may not."""
    hosts = ("10.0.0.7:8501", "[fe80::1]", "localhost", "affect.example", "other.example", "")
    assert refusals(HostCheck("0.0.0.0"), *hosts) == [False] * 3 + [True] * 3
    check = HostCheck("0.0.0.0", ["Affect.example"])
    assert refusals(check, *hosts) == [False] * 4 + [True] * 2
    assert refusals(HostCheck("127.0.0.1", ["affect.example"]), *hosts) == [
        True, True, False, False, True, True
    ]  # fmt: skip
    assert refusals(HostCheck("0.0.0.0", ["*"]), *hosts) == [False] * 5 + [True]


def test_behind_a_proxy_its_own_pages_may_ask() -> None:
    check = HostCheck("127.0.0.1", ["affect.example"])
    own = {"Host": "affect.example", "Origin": "https://affect.example"}
    assert check.refusal(own) is None
    assert check.refusal({**own, "Origin": "https://affect.example.evil"}) is not None


@pytest.mark.parametrize(
    "host", ["a/b", "a?b", "a#b", "a b", "a:b", "[::1", "a:99999", "user@a", "\u2100", ""]
)
def test_what_is_no_host(host: str) -> None:
    assert host_name(host) in ("", host) and HostCheck("0.0.0.0").refusal({"Host": host})


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("192.168.0.5", False),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected

"""Addresses: what stands in for a publisher, which name an address has in our records, where a redirect may lead."""

import json
import os
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from pipelines.redact import holds_secret, redact
from sources.source import SourceError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
MAX_REDIRECTS = 5

_KEYS = frozenset({"key", "apikey", "api_key", "token", "access_token"})


def host_of(address: str) -> str:
    """The host of an address, in lower case; empty where there is none."""
    return (urlsplit(address).hostname or "").lower()


def bare(address: str) -> str:
    """What an address is compared by: without any key, redacted or not, and quoted in one way."""
    parts = urlsplit(address)
    query = [(name, value) for name, value in parse_qsl(parts.query, True) if name.lower() not in _KEYS]
    return parts._replace(query=urlencode(query, safe=",:*"), fragment="").geturl()


class RedirectError(Exception):
    """A redirect that is not followed."""


def redirected(address: str, location: str) -> str:
    """Where a redirect leads.

    Raises:
        RedirectError: it would leave https, or take one of our secrets to another host.
    """
    target = urljoin(address, location)
    allowed = ("https",) if address.startswith("https:") else ("http", "https")
    if urlsplit(target).scheme not in allowed:
        raise RedirectError("a redirect to an address without https, which is not followed")
    if holds_secret(target) and host_of(target) != host_of(address):
        raise RedirectError(f"a redirect to {host_of(target)} together with our key, which is not followed")
    return target


class Rewrite:
    """Sends what is meant for a publisher to another server, so that a loopback publisher can serve everything.

    Args:
        hosts: prefix such as `https://api.census.gov` to the server that stands in for it.

    Raises:
        SourceError: a server that must not see a secret.
    """

    def __init__(self, hosts: Mapping[str, str]) -> None:
        for target in hosts.values():
            # A key would travel to the other server: in the clear only within this machine.
            if urlsplit(target).scheme != "https" and host_of(target) not in LOOPBACK:
                raise SourceError(f"Requests cannot be sent on to {redact(target)}: use https, or a loopback address.")
        self.hosts = {source.rstrip("/"): target.rstrip("/") for source, target in hosts.items()}

    def __call__(self, address: str) -> str:
        for source, target in self.hosts.items():
            # The next character must end the host: https://api.census.gov.example is somebody else.
            if address.startswith(source) and address[len(source) :][:1] in ("", "/", "?"):
                return target + address[len(source) :]
        return address

    @property
    def names(self) -> list[str]:
        """Hosts of the stand-ins."""
        return sorted({host_of(target) for target in self.hosts.values()})


def hosts_from_environment() -> dict[str, str]:
    """The stand-ins of HEADWATERS_REWRITE_HOSTS.

    Raises:
        SourceError: it is not a JSON mapping.
    """
    text = os.environ.get("HEADWATERS_REWRITE_HOSTS", "").strip()
    try:
        hosts = json.loads(text) if text else {}
    except ValueError:
        hosts = None
    if not isinstance(hosts, dict) or not all(isinstance(target, str) for target in hosts.values()):
        raise SourceError(
            "HEADWATERS_REWRITE_HOSTS must be a JSON mapping such as "
            '{"https://api.census.gov": "http://127.0.0.1:8000"}. Correct or unset it.'
        )
    return hosts

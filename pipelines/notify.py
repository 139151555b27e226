"""Tell people, through apprise: mail, Slack, a webhook and whatever else it reaches.

Addresses may hold passwords and tokens. They are read where they are used, and nothing that is said here repeats one.
"""

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pipelines.redact import redact

URLS_VARIABLE = "HEADWATERS_ALERT_URLS"
ATTEMPTS = 2
_KNOWN = ("urls", "nights", "runbook")
# apprise tells addresses at DEBUG, and urllib3 tells the path, which is where a webhook has its token.
_TALKERS = ("apprise", "urllib3")


class AlertError(Exception):
    """Nobody could be told; says which address by its place, never the address."""


@dataclass(frozen=True)
class Delivery:
    """How many addresses took a message, and which did not, by place and kind."""

    taken: int
    failed: list[str]


def addresses(config: Mapping[str, Any]) -> list[str]:
    """Addresses of `[alerts] urls` in headwaters.toml, then those of HEADWATERS_ALERT_URLS, divided by spaces or lines.

    Raises:
        AlertError: the section is not as it should be.
    """
    section = config.get("alerts", {})
    if not isinstance(section, Mapping) or set(section) - set(_KNOWN):
        raise AlertError(f"[alerts] in headwaters.toml has {', '.join(_KNOWN)} and nothing else")
    listed = section.get("urls", [])
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise AlertError('[alerts] urls must be a list of texts: urls = ["mailtos://..."]')
    return list(dict.fromkeys([*listed, *os.environ.get(URLS_VARIABLE, "").split()]))


def _label(place: int, address: str) -> str:
    kind = address.split("://", 1)[0]
    return f"address {place} ({kind})" if "://" in address and kind.isalnum() else f"address {place}"


@contextmanager
def _silenced() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in _TALKERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            # Services are loaded at the first address; one of them imports a module that Python has deprecated.
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def send(title: str, body: str, to: list[str]) -> Delivery:
    """Send a message to every address; who did not take it is asked once more.

    Raises:
        AlertError: an address is none that apprise knows, or not one of them took the message.
    """
    import apprise  # loads a hundred services: nobody but who sends pays for it

    for address in to:
        title, body = title.replace(address, "***"), body.replace(address, "***")
    asset = apprise.AppriseAsset(async_mode=False)
    failed = []
    with _silenced():
        for place, address in enumerate(to, start=1):
            service = apprise.Apprise.instantiate(address, asset=asset, suppress_exceptions=True)
            if service is None:
                raise AlertError(
                    f"{_label(place, address)} of [alerts] urls and {URLS_VARIABLE} is none that apprise knows: "
                    "see https://github.com/caronc/apprise/wiki"
                )
            sender = apprise.Apprise(asset=asset)
            sender.add(service)
            if not any(_try(sender, redact(title), redact(body)) for _ in range(ATTEMPTS)):
                failed.append(_label(place, address))
    if len(failed) == len(to):
        raise AlertError(f"nobody was told of {redact(title)!r}: {', '.join(failed)} did not take it")
    return Delivery(len(to) - len(failed), failed)


def _try(sender: Any, title: str, body: str) -> bool:
    import apprise

    return bool(
        sender.notify(
            body=body, title=title, body_format=apprise.NotifyFormat.TEXT, notify_type=apprise.NotifyType.WARNING
        )
    )

"""One policy of trying again, for both clients."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import stamina
import stamina.instrumentation

from sources.source import PassingError

RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504, *range(520, 528)})
"""Statuses that may pass; 520 to 527 are a content network that does not reach the publisher."""

_LOG = logging.getLogger(__name__)


class TryAgainError(PassingError):
    """A failure that may pass.

    Args:
        after: how many seconds the publisher asks us to wait.
        answer: the last answer, for a client that wants to see it.
    """

    def __init__(self, message: str, after: float | None = None, answer: Any = None) -> None:
        super().__init__(message)
        self.after, self.answer = after, answer


@dataclass(frozen=True)
class Patience:
    """How often and how long.

    Args:
        attempts: how often a request is tried in all.
        wait_initial: seconds before the second attempt; doubles from then on, with jitter, up to 30 times as much.
        retry_after_max: the longest wait, in seconds, that a publisher's Retry-After is granted.
    """

    attempts: int
    wait_initial: float
    retry_after_max: float

    def rounds(self) -> Any:
        """Attempts as contexts; a TryAgainError in one leads to the next, or out after the last."""
        # Without this stamina prints past logging wherever structlog happens to be installed.
        stamina.instrumentation.set_on_retry_hooks((_log_retry,))
        return stamina.retry_context(
            on=lambda error: (error.after or True) if isinstance(error, TryAgainError) else False,
            attempts=self.attempts,
            timeout=None,  # a large file may take longer than any sensible limit; `attempts` bounds it
            wait_initial=self.wait_initial,
            wait_max=30 * self.wait_initial,
            wait_jitter=self.wait_initial,
        )

    def after(self, header: str | None) -> float | None:
        """Seconds that a Retry-After asks for, as a number or as a date, within our patience; None without one."""
        text = (header or "").strip()
        if text.isdecimal():
            return min(float(text), self.retry_after_max)
        try:
            until = parsedate_to_datetime(text)
        except (ValueError, TypeError):
            return None
        seconds = (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
        return min(seconds, self.retry_after_max) if seconds > 0 else None


def _log_retry(details: stamina.instrumentation.RetryDetails) -> None:
    _LOG.warning("Attempt %d: %s Next in %.1f s.", details.retry_num, details.caused_by, details.wait_for)

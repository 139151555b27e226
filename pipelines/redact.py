"""Secrets stay out of logs, errors and tracebacks, whoever writes them.

The Census Bureau takes its key in the query string, so every library that mentions an address mentions the key.
"""

import logging
import os
import re
import sys
import threading
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any
from urllib.parse import quote, quote_plus

SECRETS = {
    "CENSUS_API_KEY": "Request a free key at https://api.census.gov/data/key_signup.html, activate it through the "
    "link in the mail that follows, and set it: export CENSUS_API_KEY=...",
}
"""Every secret that the project knows, and how to get it."""

_PARAMETER = re.compile(r"""(?i)([?&;](?:api_?key|key|access_token|token)=)[^&#\s"'<>]+""")
# A shorter value is a slip of the keyboard, and replacing it would garble every line that holds it.
_SHORTEST = 4


def _forms() -> Iterator[str]:
    for name in SECRETS:
        value = os.environ.get(name, "").strip()
        if len(value) >= _SHORTEST:
            yield from {value, quote(value), quote(value, safe=""), quote_plus(value)}


def redact(text: str) -> str:
    """The text with `***` for every known secret, as it is or URL-quoted, and every key or token in a query string."""
    for form in _forms():
        text = text.replace(form, "***")
    return _PARAMETER.sub(r"\1***", text)


def holds_secret(text: str) -> bool:
    """Whether a known secret stands in the text, as it is or URL-quoted."""
    return any(form in text for form in _forms())


class RedactingFilter(logging.Filter):
    """Redacts a record in place: message, arguments, traceback and any text that was attached to it."""

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            message = record.getMessage()
        except Exception:
            # logging would print the arguments themselves to stderr.
            message, record.msg, record.args = "", f"{record.msg} {record.args!r}", None
        if redact(message) != message:
            record.msg, record.args = message, None
        if record.exc_info and not record.exc_text:
            text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
            if redact(text) != text:
                # Formatters print exc_text where it is set; some handlers would format exc_info anew.
                record.exc_text, record.exc_info = text, None
        for name, value in record.__dict__.items():
            if isinstance(value, str):
                record.__dict__[name] = redact(value)
        return True


class _Factory:
    def __init__(self, inner: Any) -> None:
        self.inner, self.filter = inner, RedactingFilter().filter

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record: logging.LogRecord = self.inner(*args, **kwargs)
        self.filter(record)
        return record


class _ExceptHook:
    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __call__(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        text = "".join(traceback.format_exception(kind, error, trace))
        if redact(text) == text:
            self.inner(kind, error, trace)
        else:
            sys.stderr.write(redact(text))


class _ThreadHook:
    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __call__(self, args: threading.ExceptHookArgs) -> None:
        _ExceptHook(lambda *_: self.inner(args))(args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback)


def install() -> None:
    """Redact every log record and every uncaught traceback of this process; calling it again changes nothing.

    A filter on a logger sees only that logger's own records and one on a handler misses handlers that come later,
    so records are redacted where they are made.
    """
    if not isinstance(logging.getLogRecordFactory(), _Factory):
        logging.setLogRecordFactory(_Factory(logging.getLogRecordFactory()))
    if not isinstance(sys.excepthook, _ExceptHook):
        sys.excepthook = _ExceptHook(sys.excepthook)
    if not isinstance(threading.excepthook, _ThreadHook):
        threading.excepthook = _ThreadHook(threading.excepthook)

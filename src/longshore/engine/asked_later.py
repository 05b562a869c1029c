"""This module reads, from what a task raised, that a service wants to be asked later: an HTTP answer 429 or 503 with a
Retry-After header (RFC 9110, 10.2.3).

It imports no HTTP library. The errors of httpx, requests, aiohttp, urllib and of the many clients built on them carry
the answer, or its status and headers, under the same few names, and that is what is looked at.
"""

import logging
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from longshore.core.limit_errors import LONGEST_PARKING_SECONDS, RateLimited

log = logging.getLogger("longshore.engine")

ASKED_LATER = (429, 503)
DAY_SECONDS = 86400.0
"""The most that an answer is believed; what a task raises itself may be longer."""
assert DAY_SECONDS <= LONGEST_PARKING_SECONDS


def asked_later(error: BaseException, now_ms: int) -> RateLimited | None:
    """What the error says of a service that wants to be asked later; its provider is the host that answered. None
    where it says nothing of that kind. Never raises: an exception's attributes may."""
    inner = error
    while isinstance(inner, BaseExceptionGroup) and len(inner.exceptions) == 1:
        inner = inner.exceptions[0]
    try:
        return _read(inner, now_ms)
    except Exception:
        log.debug("What a task raised could not be looked at for a Retry-After.", exc_info=True)
        return None


def _read(error: BaseException, now_ms: int) -> RateLimited | None:
    response = getattr(error, "response", None)
    answer = error if response is None else response  # requests' own answers are false when they say 429
    if _status(answer) not in ASKED_LATER:
        return None
    seconds = _seconds(getattr(answer, "headers", None), now_ms)
    if seconds is None:
        return None
    limited = RateLimited(_host(error, answer), min(seconds, DAY_SECONDS))
    limited.was_found = True
    return limited


def _status(answer: Any) -> Any:
    for name in ("status_code", "status", "code"):  # httpx and requests, aiohttp, urllib
        status = getattr(answer, name, None)
        if isinstance(status, int):
            return status
    return None


def _seconds(headers: Any, now_ms: int) -> float | None:
    if headers is None:
        return None
    milliseconds = _header(
        headers, "retry-after-ms"
    )  # of some model providers; more exact than whole seconds
    if milliseconds is not None and milliseconds.isdecimal():
        return int(milliseconds) / 1000
    told = _header(headers, "retry-after")
    if told is None:
        return None
    try:
        return max(0.0, float(told))
    except ValueError:
        at = parsedate_to_datetime(told)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
        return max(0.0, at.timestamp() - now_ms / 1000)


def _header(headers: Any, wanted: str) -> str | None:
    """Of whatever mapping: some know no case, plain dicts do."""
    for name, value in headers.items():
        if str(name).lower() == wanted:
            return str(value).strip()
    return None


def _host(error: BaseException, answer: Any) -> str:
    request = getattr(error, "request_info", None)  # aiohttp
    for url in (
        getattr(request, "real_url", None),
        getattr(answer, "url", None),
        getattr(error, "url", None),
    ):
        host = urlsplit(str(url)).hostname if url is not None else None
        if host:
            return host
    return "unknown"

"""What HTTP clients raise, by the names that httpx, requests, aiohttp and urllib use. None of them is imported."""

from types import SimpleNamespace

import pytest

from longshore.engine.asked_later import DAY_SECONDS, asked_later

NOW = 1_700_000_000_000


class HttpError(Exception):
    """Carries whatever a client's error carries."""

    def __init__(self, **fields):
        super().__init__("the server said no")
        self.__dict__.update(fields)


class Falsy(SimpleNamespace):
    """An answer of requests is false when its status says an error."""

    def __bool__(self):
        return False


HTTPX = HttpError(
    response=SimpleNamespace(
        status_code=429, headers={"Retry-After": "30"}, url="https://api.example.com/v1/mails"
    )
)
REQUESTS = HttpError(response=Falsy(status_code=503, headers={"retry-after": "1.5"}, url="http://h:8080/"))
AIOHTTP = HttpError(
    status=429,
    headers={"RETRY-AFTER": " 7 "},
    request_info=SimpleNamespace(real_url="https://other.example.com/x"),
)
URLLIB = HttpError(code=429, headers={"Retry-After": "9"}, url="https://plain.example.com/")
MODEL = HttpError(
    response=SimpleNamespace(status_code=429, headers={"retry-after-ms": "250", "retry-after": "1"}, url=None)
)


@pytest.mark.parametrize(
    ("error", "provider", "seconds"),
    [
        (HTTPX, "api.example.com", 30.0),
        (REQUESTS, "h", 1.5),
        (AIOHTTP, "other.example.com", 7.0),
        (URLLIB, "plain.example.com", 9.0),
        (MODEL, "unknown", 0.25),
        (ExceptionGroup("one", [HTTPX]), "api.example.com", 30.0),
    ],
)
def test_a_retry_after_is_read_from_whatever_client_raised_it(error, provider, seconds):
    """B.8"""
    found = asked_later(error, NOW)
    assert (found.provider, found.seconds, found.was_found) == (provider, seconds, True)


def test_a_retry_after_may_be_a_date_and_never_more_than_a_day():
    later = {"Retry-After": "Tue, 14 Nov 2023 22:14:20 GMT"}  # a minute after NOW
    assert asked_later(HttpError(status=429, headers=later), NOW).seconds == 60.0
    never = {"Retry-After": "999999999"}
    assert asked_later(HttpError(status=429, headers=never), NOW).seconds == DAY_SECONDS


class Hostile(Exception):
    @property
    def response(self):
        raise RuntimeError("do not look")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        HttpError(status=500, headers={"Retry-After": "30"}),
        HttpError(status=429, headers={}),
        HttpError(status=429),
        HttpError(status=429, headers={"Retry-After": "soon"}),
        HttpError(status="429", headers={"Retry-After": "3"}),
        HttpError(response={"status": 429}),
        Hostile(),
        ExceptionGroup("two", [HTTPX, AIOHTTP]),
    ],
)
def test_anything_else_is_an_error_like_any_other(error):
    assert asked_later(error, NOW) is None

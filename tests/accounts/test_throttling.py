from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from django.conf import settings as configured
from django.test import Client

from accounts.models import User
from accounts.throttling import Meter, meter

ACCOUNT = "/api/v1/account"


class Clock:
    """A clock that stands still until told otherwise; it begins in a minute of its own."""

    def __init__(self) -> None:
        self.now = 60.0 * secrets.randbelow(10**6)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> Iterator[redis.Redis]:
    with redis.Redis.from_url(configured.REDIS_URL) as store:
        yield store


def unreachable() -> redis.Redis:
    return redis.Redis.from_url("redis://127.0.0.1:1/0")


def test_it_works(clock: Clock) -> None:
    meter = Meter(clock=clock, store=unreachable)
    assert [meter.count("a"), meter.count("a"), meter.count("b")] == [1, 2, 1]
    assert meter.used("a") == 2


def test_the_next_minute_begins_anew(clock: Clock) -> None:
    meter = Meter(clock=clock, store=unreachable)
    meter.count("a")
    clock.now += 59.9
    assert (meter.used("a"), meter.seconds_left()) == (1, 1)
    clock.now += 0.1
    assert (meter.used("a"), meter.seconds_left()) == (0, 60)


def test_processes_hear_of_each_other(clock: Clock, store: redis.Redis) -> None:
    one, other = Meter(clock=clock, store=lambda: store), Meter(clock=clock, store=lambda: store)
    one.count("a")
    one.count("a")
    other.count("a")
    one.share()
    other.share()
    assert other.used("a") == 3
    one.count("a")
    assert one.used("a") == 3  # what the other told since, it hears with its next word
    one.share()
    assert one.used("a") == 4
    one.share()
    assert one.used("a") == 4


def test_what_redis_holds_goes_by_itself(clock: Clock, store: redis.Redis) -> None:
    meter = Meter(clock=clock, store=lambda: store)
    meter.count("a")
    meter.share()
    key = f"almanac:calls:{int(clock.now // 60)}:a"
    seconds: Any = store.ttl(key)
    assert 60 < seconds <= 120


def test_without_redis_each_counts_alone(clock: Clock, store: redis.Redis) -> None:
    stores = [unreachable(), store]
    meter = Meter(clock=clock, store=lambda: stores[0])
    meter.count("a")
    with pytest.raises(redis.RedisError):
        meter.share()
    assert meter.count("a") == 2
    stores.pop(0)
    meter.share()
    assert meter.used("a") == 2


@pytest.mark.django_db
def test_over_the_limit(alice: User, bob: User, token_of: Callable[..., str], settings: Any) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 2
    client, other = (Client(headers={"Authorization": f"Bearer {token_of(user)}"}) for user in (alice, bob))
    answers = [client.get(ACCOUNT) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    refused = answers[2]
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.headers["RateLimit-Limit"] == "2"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["Retry-After"] == refused.headers["RateLimit-Reset"]
    assert other.get(ACCOUNT).status_code == 200


@pytest.mark.django_db
def test_refusals_count_and_say_so(alice: User, token_of: Callable[..., str]) -> None:
    client = Client(headers={"Authorization": f"Bearer {token_of(alice)}"})
    first = client.get("/api/v1/models/no/such")
    second = client.post("/api/v1/predictions", {}, content_type="application/json")
    assert [first.status_code, second.status_code] == [404, 422]
    left = [int(answer.headers["RateLimit-Remaining"]) for answer in (first, second)]
    assert left[0] - left[1] == 1


@pytest.mark.django_db
def test_a_session_is_counted_by_person(alice: User) -> None:
    client = Client()
    client.force_login(alice)
    client.get(ACCOUNT)
    assert meter.used(f"user:{alice.pk}") == 1

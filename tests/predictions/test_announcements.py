"""What a worker says of an end is believed where it bears the seal; of anything else the ledger is asked."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictions import dispatch, waiting
from predictions.announcements import MOST_OUTPUT_BYTES, SEAL_BYTES, Ended, announcement, opened

TIMES = st.datetimes(timezones=st.just(UTC))
TEXTS = st.none() | st.text(st.characters(codec="utf-8"))
ENDED = st.builds(
    Ended,
    id=st.uuids(),
    status=st.sampled_from(["succeeded", "failed"]),
    output=TEXTS,
    reason=TEXTS,
    error=TEXTS,
    started_at=st.none() | TIMES,
    completed_at=TIMES,
    run_seconds=st.none() | st.floats(0, 1e6),
)
AN_END = Ended(UUID(int=1), "succeeded", '{"value":1e5}', None, None, None, datetime(2026, 1, 1, tzinfo=UTC), 0.25)
HEARS_SECONDS = 10


@given(st.lists(ENDED))
def test_what_is_told_is_what_is_heard(ended: list[Ended]) -> None:
    assert opened(announcement(ended)) == (ended, [])


def test_of_a_large_answer_only_the_id_is_told() -> None:
    large = AN_END._replace(id=UUID(int=2), output='"' + "x" * MOST_OUTPUT_BYTES + '"')
    assert opened(announcement([AN_END, large])) == ([AN_END], [large.id])


def test_without_the_seal_only_the_ids_are_read() -> None:
    told = announcement([AN_END])
    forged = told.replace(b"1e5", b"2e5")
    assert forged != told
    assert opened(forged) == ([], [AN_END.id])


@given(st.binary() | st.recursive(st.none() | st.integers(-(2**63), 2**63) | st.text(), st.lists).map(orjson.dumps))
def test_what_is_no_announcement(message: bytes) -> None:
    try:
        ended, ids = opened(bytes(SEAL_BYTES) + message)
    except (ValueError, TypeError):
        return
    assert not ended
    assert all(isinstance(id, UUID) for id in ids)


@pytest.mark.django_db
def test_a_forged_one_ends_nobodys_wait() -> None:
    channel, asked = dispatch.reply_channel(waiting.REPLY_TO), AN_END._replace(id=UUID(int=3))
    heard = threading.Event()
    with waiting.post.waiter(bool) as deceived, waiting.post.waiter(heard.set) as waiter:
        deceived.expect([asked.id])
        waiter.expect([AN_END.id])
        for _ in range(10 * HEARS_SECONDS):  # until this process listens
            dispatch.redis_client().publish(channel, bytes(SEAL_BYTES) + announcement([asked])[SEAL_BYTES:])
            dispatch.announce(reply_to=waiting.REPLY_TO, ended=[AN_END])
            if heard.wait(0.1):
                break
        assert waiter.ended == {AN_END.id: AN_END}
        assert not deceived.ended

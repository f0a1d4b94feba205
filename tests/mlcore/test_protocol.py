import pytest

from mlcore import protocol


def test_there_and_back() -> None:
    message = {"do": "predict", "rows": [{"x": 0.1, "name": "Zoë"}]}
    frame = protocol.pack(message)
    header, body = frame[: protocol.HEADER.size], frame[protocol.HEADER.size :]
    assert protocol.body_size(header) == len(body)
    assert protocol.unpack(body) == message


def test_a_frame_that_claims_too_much() -> None:
    with pytest.raises(protocol.FrameTooLargeError, match="4,294,967,295 bytes"):
        protocol.body_size(b"\xff\xff\xff\xff")


def test_a_message_that_is_too_large() -> None:
    with pytest.raises(protocol.FrameTooLargeError, match="13 bytes; the limit is 10"):
        protocol.pack({"a": "12345"}, limit_bytes=10)


def test_what_is_no_object() -> None:
    with pytest.raises(ValueError, match="object"):
        protocol.unpack(b"[]")

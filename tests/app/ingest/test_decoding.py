"""What bodies unpack to: compression, and the texts and numbers that databases do not keep."""

import gzip
import json
import time
import zlib

import pytest

from tests.app.ingest.sending import BATCH, EVENT, TRACK, Sender, error_of


def test_a_body_may_be_gzipped(sender: Sender) -> None:
    assert sender.post(TRACK, data=gzip.compress(json.dumps(EVENT).encode()), Content_Encoding="gzip").status_code == 202


def test_a_gzipped_body_needs_no_header(sender: Sender) -> None:
    assert sender.post(TRACK, data=gzip.compress(json.dumps(EVENT).encode())).status_code == 202


def test_a_body_may_be_deflated(sender: Sender) -> None:
    assert sender.post(TRACK, data=zlib.compress(json.dumps(EVENT).encode()), Content_Encoding="deflate").status_code == 202


def test_a_bomb_costs_nothing(sender: Sender) -> None:
    bomb = gzip.compress(b" " * 300_000_000, 1)
    began = time.process_time()
    error_of(sender.post(TRACK, data=bomb[:900_000], Content_Encoding="gzip"), 413, "body_too_large")
    assert time.process_time() - began < 0.3


def test_a_compressed_body_at_the_limit_is_taken(sender: Sender) -> None:
    body = json.dumps(EVENT).encode().ljust(1024 * 1024)
    assert sender.post(TRACK, data=gzip.compress(body)).status_code == 202
    error_of(sender.post(TRACK, data=gzip.compress(body + b" ")), 413, "body_too_large")


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compressed_body_that_is_cut_off_is_refused(sender: Sender, encoding: str) -> None:
    body = json.dumps(EVENT).encode()
    packed = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)
    error_of(sender.post(TRACK, data=packed[:-3], Content_Encoding=encoding), 400, "invalid_body")


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_body_that_is_not_compressed_as_it_says_is_refused(sender: Sender, encoding: str) -> None:
    error_of(sender.post(TRACK, EVENT, Content_Encoding=encoding), 400, "invalid_body")


def test_nul_is_replaced_everywhere(sender: Sender) -> None:
    sender.post(TRACK, data=rb'{"type":"a\u0000","userId":"\u0000\u0000","data":{"k\u0000":["\u0000"], "kept":"\\u0000"}}')
    [event] = sender.stored()
    assert (event.type, event.user_id) == ("a\ufffd", "\ufffd\ufffd")
    assert event.data == {"k\ufffd": '["\ufffd"]', "kept": "\\u0000"}


def test_lone_surrogates_are_replaced_and_pairs_are_kept(sender: Sender) -> None:
    sender.post(TRACK, data=rb'{"type":"a\ud800","userId":"\udc00u","data":{"\ud83d":"\ud83d\ude00","n":["\ude00"]}}')
    [event] = sender.stored()
    assert (event.type, event.user_id) == ("a\ufffd", "\ufffdu")
    assert event.data == {"\ufffd": "\U0001f600", "n": '["\ufffd"]'}


@pytest.mark.parametrize("number", ["18446744073709551616", "-9223372036854775809", "123456789012345678901234567890"])
def test_integers_of_any_length_are_kept_to_the_digit(sender: Sender, number: str) -> None:
    sender.post(TRACK, data=b'{"type":"a","userId": %s,"data":{"n":%s,"l":[%s]}}' % ((number.encode(),) * 3))
    [event] = sender.stored()
    assert event.user_id == number
    assert event.data == {"n": number, "l": f"[{number}]"}


def test_numbers_that_python_does_not_hold_stay_as_they_are_written(sender: Sender) -> None:
    sender.post(TRACK, data=b'{"type":"a","userId":"u","data":{"long":%s,"large":1e999}}' % (b"9" * 5000))
    [event] = sender.stored()
    assert event.data == {"long": "9" * 5000, "large": "1e999"}


def test_an_id_with_very_many_digits_is_refused(sender: Sender) -> None:
    error = error_of(sender.post(TRACK, data=b'{"type":"a","userId":%s}' % (b"9" * 5000)), 400, "invalid_event")
    assert len(error["message"]) < 300


@pytest.mark.parametrize("levels", [100, 300, 600, 1000, 2000, 50_000])
@pytest.mark.parametrize("inside", [b"", rb'"\u0000"', rb'"\ud800"', b"9" * 30], ids=["empty", "nul", "surrogate", "long"])
@pytest.mark.parametrize("name", [b"data", b"type", b"userId", b"occurredAt", b"other"])
def test_deep_nesting_breaks_nothing(sender: Sender, levels: int, inside: bytes, name: bytes) -> None:
    nested = b"[" * levels + inside + b"]" * levels
    value = b'{"k":%s}' % nested if name == b"data" else nested
    answer = sender.post(TRACK, data=b'{"type":"a","userId":"u",%s:%s}' % (b'"%s"' % name, value))
    assert answer.status_code in (202, 400)
    assert (answer.status_code == 202) == bool(sender.stored())


def test_deep_nesting_is_refused_alone(sender: Sender) -> None:
    deep = b'{"type":"a","userId":"u","data":{"k":%s}}' % (b"[" * 600 + b"]" * 600)
    answer = sender.post(BATCH, data=b"[%s,%s]" % (deep, json.dumps(EVENT).encode()))
    assert answer.json and answer.json["accepted"] == 1
    assert "nested" in answer.json["events"][0]["error"]["message"]


def test_deep_nesting_in_a_large_body_is_measured(sender: Sender) -> None:
    deep = b'{"type":"a","userId":"u","data":{"k":%s}}' % (b"[" * 600 + b'"%s"' % (b"x" * 33_000) + b"]" * 600)
    answer = sender.post(BATCH, data=b"[%s,%s]" % (deep, json.dumps(EVENT).encode()))
    assert answer.json and answer.json["accepted"] == 1
    assert "bytes" in answer.json["events"][0]["error"]["message"]


@pytest.mark.parametrize("one", [b"[],", b'{"a":[]},'])
def test_a_body_of_very_many_lists_or_objects_is_refused_before_it_is_read(sender: Sender, one: bytes) -> None:
    """Packed it is small; unpacked it would take more memory than a process has."""
    number = 300_000 if one == b"[]," else 110_000
    body = b"[" + one * number + b"{}]"
    assert len(body) < 1024 * 1024
    status, code = (413, "body_too_large") if one == b"[]," else (413, "too_many_events")
    error_of(sender.post(BATCH, data=gzip.compress(body)), status, code)


def test_backslashes_before_a_nul_are_counted(sender: Sender) -> None:
    body = rb'{"type":"a","userId":"u","data":{"k":"%s\u0000"}}' % (rb"\\" * 4000)
    assert sender.post(TRACK, data=body).status_code == 202
    [event] = sender.stored()
    assert event.data == {"k": "\\" * 4000 + "\ufffd"}

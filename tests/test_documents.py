"""JSON from outside: what is accepted means the same to every parser, and refusing costs little."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from federation.documents import dumps, one_or_many, parse
from federation.identity import CONTEXT

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "vectors" / "documents.json").read_text("utf-8"))


def _refused(body: bytes) -> str:
    with pytest.raises(InvalidInput) as caught:
        parse(body)
    assert caught.value.status == 400
    return caught.value.reason


@pytest.mark.parametrize("case", VECTORS["refused"], ids=lambda case: case["why"])
def test_a_hostile_document_is_refused_with_its_reason(case: dict[str, str]) -> None:
    assert _refused(case["body"].encode()) == case["reason"]


@pytest.mark.parametrize("body", [
    b'{"a":"\xff"}', b'{"a":"\xc0\x80"}', b'{"a":"\xed\xa0\x80"}', b'{"a":"\xc3', b"\xff\xfe{\x00}\x00",
    "{}".encode("utf-16"), "{}".encode("utf-32"),
])
def test_only_utf_8_is_read(body: bytes) -> None:
    assert _refused(body) == "bad-json"


@pytest.mark.parametrize("number", [
    "1" * 5000, "-" + "9" * 5000, "1" * 18, "1e309", "-1e400", "0." + "1" * 5000, "1" * 5000 + ".5",
])
def test_a_number_no_double_holds_is_refused(number: str) -> None:
    assert _refused(b'{"a":%s}' % number.encode()) == "bad-json"


def test_ordinary_numbers_are_read() -> None:
    body = b'{"a":[0,-1,1764000000000,9007199254740991,1.5,-2e3,0.1]}'
    assert parse(body) == {"a": [0, -1, 1764000000000, 9007199254740991, 1.5, -2000.0, 0.1]}


def test_surrogate_pairs_and_escapes_are_read() -> None:
    assert parse(b'{"a":"\\ud83d\\ude00\\u00e4\\\\ud800","\\uD83D\\uDE00":"\xf0\x9f\x98\x80"}') == {"a": "😀ä\\ud800", "😀": "😀"}


@pytest.mark.parametrize("text", ['"x"', '"[{\\""', '"\\\\"', '"{\\\\\\"["'])
def test_thirty_two_levels_are_read_and_thirty_three_are_not(text: str) -> None:
    def nested(depth: int) -> bytes:
        arrays, objects = (depth - 1) // 2, (depth - 1) - (depth - 1) // 2
        return (f'{{{text}:' + f"[{text}," * arrays + f"{{{text}:" * objects + "1" + "}" * objects + "]" * arrays + "}").encode()

    assert parse(nested(32)) == json.loads(nested(32))
    assert _refused(nested(33)) == "too-deep"


def test_brackets_in_strings_and_wide_documents_are_not_deep() -> None:
    wide = {"a": [{"b": []} for _ in range(500)], "[[[[": "{" * 200, 'q"\\': '\\"[' * 100}
    assert parse(json.dumps(wide).encode()) == wide


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 50_000, b'{"a":[' + b'"\\\\",[' * 40_000, b'{"\\\\":' * 30_000])
def test_endless_nesting_is_refused_before_it_is_parsed(body: bytes) -> None:
    assert _refused(body) == "too-deep"


@pytest.mark.parametrize("tail", [
    b'"' + b'\\"' * 131_000, b'"' * 262_000, b"\\" * 262_000, b'"' + b"\\" * 262_001, b'[]"' * 87_000, b'"[' * 131_000,
    b"[]," * 87_000, b'"\\u' * 65_000,
])
def test_a_hostile_document_costs_time_in_proportion_to_its_size(tail: bytes) -> None:
    start = time.process_time()
    _refused(b'{"a":' * 31 + b"[[],[],[]," + tail)
    assert time.process_time() - start < 1.0


@pytest.mark.parametrize(("value", "found"), [
    ("https://de.example/1", ("https://de.example/1",)), ({"id": "a"}, ("a",)),
    (None, ()), (7, ()), ([], ()), ({}, ()), ({"id": 7}, ()),
    (["a", {"id": "b", "type": "Person"}, None, 7, ["c"], {"href": "d"}, "a"], ("a", "b", "a")),
])
def test_one_or_many(value: Any, found: tuple[str, ...]) -> None:
    assert one_or_many(value) == found


def test_too_many_are_refused() -> None:
    assert len(one_or_many(["a"] * 100)) == 100
    with pytest.raises(InvalidInput) as caught:
        one_or_many(["a"] * 101)
    assert caught.value.reason == "too-many"


def test_what_is_written_is_compact_utf_8() -> None:
    assert dumps({"a": ["ä😀", 1, None], "b": {}}) == '{"a":["ä😀",1,null],"b":{}}'.encode()
    with pytest.raises(ValueError, match="JSON compliant"):
        dumps({"a": float("nan")})


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('[]{}"\\'), max_size=12),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text('ab[{"\\é', max_size=4), inner, max_size=6),
    max_leaves=60)


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max((_depth(item) for item in inner), default=0)


@given(st.dictionaries(st.text(max_size=5), _VALUES, max_size=5), st.booleans(), st.integers(0, 40))
def test_what_others_write_is_read_as_they_meant_it(document: dict[str, Any], escaped: bool, wrapped: int) -> None:
    for _ in range(wrapped):
        document = {"in": [document]} if wrapped % 2 else {"in": document}
    body = json.dumps(document, ensure_ascii=escaped).encode()
    if _depth(document) > 32:
        assert _refused(body) == "too-deep"
    else:
        assert parse(body) == document == parse(dumps(document))


@given(st.binary(max_size=60) | st.text('{}[]":,\\ud8Nan01eE+-. \n', max_size=60).map(lambda text: f'{{"a":{text}'.encode()))
def test_whatever_comes_is_refused_or_means_what_it_says(body: bytes) -> None:
    try:
        document = parse(body)
    except InvalidInput:
        return
    assert json.loads(body) == document == json.loads(dumps(document))


_MANY = 300
_LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
_VALUES = st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4))
_WRITTEN = st.dictionaries(st.text(), _VALUES, max_size=4).map(
    lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass"))
_ODD = st.sampled_from([b'{"a":%s}' % value for value in (
    b'1,"a":1', b'{"b":1,"b":1}', b"123456789012345678", b"-12345678901234567", b"12345678901234567", b"18446744073709551615",
    b"-0", b"-0.0", b"1.0", b"1e5", b"0.1", b"1.10", b"1e400", b"NaN", b"01", b'"\\u00e4"', b'"\xc3\xa4"', b'"/"', b'"\x7f"',
    b'"\xe2\x80\xa8"', b'"\\n"', b'"\\u000a"', b'"\xed\xa0\x80"', b'"12345678901234567890"')]
    + [b"[]", b"1", b'{"a" :1}', b'{"":""}'])


_CONTEXT = dumps({"@context": CONTEXT})[:-1] + b","


def _outcome(body: bytes) -> str:
    try:
        return repr(parse(body))
    except InvalidInput as error:
        return error.reason


@settings(deadline=None, max_examples=_MANY)
@given(_WRITTEN | _ODD, st.integers(0, 200), st.binary(max_size=2))
def test_what_is_read_quickly_is_read_as_with_care(body: bytes, place: int, changed: bytes) -> None:
    """A space at the end changes nothing of what a document says, and is never read quickly."""
    for one in (body, body[:place] + changed + body[place + 1:]):
        for begun in (one, _CONTEXT + one[1:]):
            assert _outcome(begun) == _outcome(begun + b" ")


@pytest.mark.parametrize("rest", [b"}", b'"@context":1}', b'"a":1,"@context":{}}', b'"a":1', b'"a":1}}', b"[1]}", b' "a":1}'])
def test_what_begins_with_our_context_is_read_to_the_end(rest: bytes) -> None:
    assert _outcome(_CONTEXT + rest) == _outcome(_CONTEXT + rest + b" ")

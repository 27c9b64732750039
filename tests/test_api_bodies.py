"""Whatever an app sends is one tree of fields, the same from a form, from parts and from JSON; or it is refused."""

from __future__ import annotations

import json
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from instance.api import bodies
from instance.api.bodies import Fields, from_form, from_json, from_multipart, nested

PAIRS = [("status", "a b"), ("poll[options][]", "x"), ("poll[options][]", "y"), ("poll[multiple]", "true"), ("media_ids[]", "1"),
         ("fields_attributes[0][name]", "Praxis"), ("fields_attributes[1][name]", "Klinik")]
TREE = {"status": "a b", "poll": {"options": ["x", "y"], "multiple": "true"}, "media_ids": ["1"],
        "fields_attributes": {"0": {"name": "Praxis"}, "1": {"name": "Klinik"}}}


def parts(pairs: list[tuple[str, str]], file: bytes = b"") -> bytes:
    made = b"".join(f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode() for name, value in pairs)
    if file:
        made += b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.jpg"\r\nContent-Type: image/jpeg\r\n\r\n' + file
        made += b"\r\n"
    return made + b"--b--\r\n"


def test_brackets_nest_the_same_from_a_form_and_from_parts() -> None:
    assert nested(PAIRS) == nested(from_form(urlencode(PAIRS).encode())) == TREE
    pairs, files = from_multipart(parts(PAIRS, b"\x00\xff"), "b")
    assert nested(pairs) == TREE and files == {"file": b"\x00\xff"}
    assert from_json(json.dumps(TREE).encode()) == TREE
    assert nested([("a", "1"), ("a", "2")]) == {"a": "2"}  # the last of equal names counts


def test_fields_read_what_fits_and_refuse_what_does_not() -> None:
    found = Fields(TREE | {"n": 7, "yes": True, "no": "0", "none": None, "list": [{"name": "a"}], "deep": {"x": {"y": "z"}},
                           "float": 1.5, "huge": 1 << 60})
    assert found.text("status") == "a b" and found.text("n") == "7" and found.text("missing", default="d") == "d"
    assert found.flag("yes") and not found.flag("no") and not found.flag("missing") and found.flag("none", True)
    assert found.number("n", 10) == 7 and found.number("missing", 10, 3) == 3 and "none" not in found and "n" in found
    assert found.texts("media_ids") == ("1",) and found.texts("status") == ("a b",) and found.texts("missing") == ()
    poll = found.inner("poll")
    assert poll.texts("options") == ("x", "y") and poll.flag("multiple") and found.inner("missing").texts("x") == ()
    assert [one.text("name") for one in found.several("fields_attributes", 4)] == ["Praxis", "Klinik"]
    assert [one.text("name") for one in found.several("list", 4)] == ["a"]
    for wrong in (lambda: found.text("poll"), lambda: found.text("media_ids"), lambda: found.flag("status"),
                  lambda: found.number("n", 6), lambda: found.number("status", 9), lambda: found.inner("status"),
                  lambda: found.several("media_ids", 4), lambda: found.several("fields_attributes", 1),
                  lambda: found.texts("deep"),
                  lambda: found.text("status", 2), lambda: found.texts("media_ids", 0), lambda: found.text("float"),
                  lambda: found.text("huge"), lambda: found.number("yes", 9)):
        with pytest.raises(InvalidInput):
            wrong()


@pytest.mark.parametrize("query", ["a=1&a[]=2", "a[]=1&a[b]=2", "a[b]=1&a=2", "a[][b]=1", "a[b][c][d][e]=1", "[a]=1", "a[=1",
                                   "a]=1", "=1", "a=%ff", "a=%00", "&".join("a[]=1" for _ in range(600))])
def test_what_contradicts_itself_is_not_guessed_at(query: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        nested(from_form(query.encode()))
    assert raised.value.reason == bodies.MALFORMED


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"{", b'{"a":{"b":{"c":{"d":{"e":1}}}}}', b"\xff", b"[" * 100_000,
                                  b'{"a":[' + b"1," * 600 + b"1]}"])
def test_json_is_an_object_of_a_few_levels(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        from_json(body)


def test_parts_that_do_not_come_whole_are_refused() -> None:
    for body, boundary in ((parts(PAIRS), "c"), (parts(PAIRS), ""), (b"", "b"), (parts(PAIRS)[:60], "b"), (b"--b\r\n\r\n", "b"),
                           (parts([("a", "1")] * 100), "b")):
        with pytest.raises(InvalidInput):
            from_multipart(body, boundary)


@given(st.binary(max_size=300) | st.text(alphabet="a1[]=&%0;", max_size=60).map(str.encode))
def test_any_form_is_read_or_refused(body: bytes) -> None:
    try:
        tree = nested(from_form(body))
    except InvalidInput:
        return
    for name in tree:
        for read in (Fields(tree).text, Fields(tree).texts, Fields(tree).flag, Fields(tree).inner):
            try:
                read(name)
            except InvalidInput:
                pass


@given(st.binary(max_size=300), st.text(max_size=5))
def test_any_parts_are_read_or_refused(body: bytes, boundary: str) -> None:
    for whole in (body, b"--b\r\n" + body, parts([("a", "x")]) + body):
        try:
            from_multipart(whole, boundary or "b")
        except InvalidInput:
            pass


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=8)


@given(JSON)
def test_any_json_is_read_or_refused(value: object) -> None:
    try:
        tree = from_json(json.dumps(value).encode())
    except InvalidInput:
        return
    for name in tree:
        for read in (Fields(tree).text, Fields(tree).texts, Fields(tree).flag, Fields(tree).inner,
                     lambda name: Fields(tree).number(name, 9), lambda name: Fields(tree).several(name, 3)):
            try:
                read(name)
            except InvalidInput:
                pass


def letters(without: str) -> st.SearchStrategy[str]:
    return st.characters(exclude_characters=without, exclude_categories=("Cs",))


@given(st.dictionaries(st.text(letters("[]\0"), min_size=1, max_size=20), st.text(letters("\0"), max_size=20), max_size=5))
def test_plain_names_and_values_come_back_as_they_were_sent(sent: dict[str, str]) -> None:
    assert nested(from_form("&".join(f"{quote(name)}={quote(value)}" for name, value in sent.items()).encode())) == sent

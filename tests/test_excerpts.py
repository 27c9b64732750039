"""Excerpts: what was looked for is marked where it stands, and nothing of the text is changed."""

from __future__ import annotations

from unicodedata import normalize

from hypothesis import given
from hypothesis import strategies as st

from posts.excerpts import LENGTH, Marks, Piece, excerpt, marked

MARKS = Marks(frozenset(("odem", "fever")), ("sarko",))


def test_words_are_marked_with_their_accents_and_endings() -> None:
    assert marked("Ödem bei Sarkoidose, kein Ödeme.", MARKS) == (
        Piece("Ödem", True), Piece(" bei "), Piece("Sarkoidose", True), Piece(", kein Ödeme."))
    assert marked("Große Ödem-Frage", MARKS) == (Piece("Große "), Piece("Ödem", True), Piece("-Frage"))
    assert marked("eine multiple  Sklerose", Marks(frozenset(("multiple sklerose", "multiple")))) == (
        Piece("eine "), Piece("multiple  Sklerose", True))
    assert marked("nothing", Marks(frozenset())) == (Piece("nothing"),)


def test_the_excerpt_is_where_most_of_it_stands() -> None:
    text = "Fever. " + "word " * 200 + "then fever with ödem came. " + "more " * 200
    pieces = excerpt(text, MARKS)
    assert [piece.text for piece in pieces if piece.marked] == ["fever", "ödem"]
    assert pieces[0].text == "… " and pieces[-1].text == " …"
    assert sum(len(piece.text) for piece in pieces) <= LENGTH + 4


def test_without_anything_to_mark_it_is_the_beginning() -> None:
    assert excerpt("Short.", MARKS) == (Piece("Short."),)
    assert excerpt("word " * 100, MARKS)[-1] == Piece(" …")
    assert excerpt("", MARKS) == ()


@given(st.text(), st.sets(st.text("abcäß", min_size=1), max_size=3))
def test_the_pieces_are_the_text(text: str, words: set[str]) -> None:
    marks = Marks(frozenset(words), ())
    assert "".join(piece.text for piece in marked(text, marks)) == text
    assert "".join(piece.text for piece in excerpt(text, marks)).removeprefix("… ").removesuffix(" …") in normalize("NFC", text)

"""One plain address and nothing else is a mail address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.mailaddress import mail_address


@pytest.mark.parametrize(("typed", "written"), [
    ("ada@klinik.example", "ada@klinik.example"),
    ("  Ada.Lovelace+konsil@Klinik.EXAMPLE ", "Ada.Lovelace+konsil@klinik.example"),
    ("ada@klinik-köln.example", "ada@xn--klinik-kln-lcb.example"),
])
def test_an_address_is_written_as_mail_servers_want_it(typed: str, written: str) -> None:
    assert mail_address(typed) == written == mail_address(written)


@pytest.mark.parametrize("typed", [
    "", "ada", "@klinik.example", "ada@", "ada@klinik", "ada@@klinik.example", "a b@klinik.example", ".ada@klinik.example",
    "a..b@klinik.example", "ada@127.0.0.1", "ada@[127.0.0.1]", "<ada@klinik.example>", "Ada <ada@klinik.example>",
    "ada@klinik.example,ben@klinik.example", "ada@klinik.example\nBcc: ben@klinik.example", "ada\r\n@klinik.example",
    "ädä@klinik.example", "ada@-klinik.example", "ada@klinik..example", "x" * 65 + "@klinik.example",
    "ada@" + ".".join(["k" * 60] * 5) + ".example"])
def test_anything_else_is_none(typed: str) -> None:
    with pytest.raises(InvalidInput):
        mail_address(typed)


@given(st.text("ab.+-<\n @\"ä", max_size=6),
       st.sampled_from(["b.example", "bö.example", "b.example\n", "b .example", "b@c.example"]))
def test_what_is_taken_for_an_address_holds_nothing_that_a_header_or_a_server_could_misread(local: str, host: str) -> None:
    try:
        written = mail_address(f"{local}@{host}")
    except InvalidInput:
        return
    assert written.isascii() and written.count("@") == 1 and not set(written) & set(" \t\r\n<>()[],;:\\\"")

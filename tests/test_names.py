"""Names in the spellings of registers: what is taken for the same name, what else to look for, which handle is proposed."""

from __future__ import annotations

import pytest

from actors.names import Likeness, compared, spellings, stands_in, suggested_handle


@pytest.mark.parametrize(("one", "other", "likeness"), [
    ("Dr. Anna Müller", "Anna Müller", Likeness.SAME), ("Anna Müller", "ANNA MUELLER", Likeness.SPELLING),
    ("Anna Müller", "Müller, Anna", Likeness.SAME), ("Anna Müller", "Muller Anna", Likeness.ORDER),
    ("Иван Петров", "Ivan Petrov", Likeness.SPELLING), ("Søren Bjørk", "Soeren Bjoerk", Likeness.SPELLING),
    ("Anna Maria Rossi", "Anna Rossi", Likeness.PART), ("Anna Rossi", "Anna Bianchi", Likeness.DIFFERENT),
    ("Anna Müller", "Anna", Likeness.DIFFERENT), ("", "Anna", Likeness.DIFFERENT)])
def test_two_names_are_compared_as_a_register_clerk_would(one: str, other: str, likeness: Likeness) -> None:
    assert compared(one, other) == likeness == compared(other, one)


def test_a_register_may_have_her_under_other_letters_half_her_name_or_the_one_she_was_born_with() -> None:
    found = spellings("Prof. Dr. Zoë Müller-Lüth", "Groß")
    assert {"Zoe Mueller Lueth", "Zoe Muller Luth", "Zoë Müller", "Zoë Lüth", "Zoë Groß", "Zoe Gross"} <= set(found)
    assert spellings("Anna Rossi") == () and spellings("Dr. Anna Rossi") == () and spellings("") == ()
    assert spellings("Anna Rossi", "Maria Bianchi Verdi") == ("Maria Bianchi Verdi",)
    assert len(spellings("Zoë Müller-Lüth-Öhr-Äß", "Ünal Groß-Süß")) <= 8


def test_a_name_stands_in_what_a_register_says_whatever_stands_between() -> None:
    assert stands_in("Dr. Anna Müller", "MUELLER, Dr. med. Anna Maria; Ärztin; München")
    assert not stands_in("Anna Müller", "MÜLLER, Hanna") and not stands_in("", "MÜLLER") and not stands_in("Dr.", "Anna")


def test_a_handle_is_proposed_out_of_a_name_and_is_free() -> None:
    assert suggested_handle("Dr. med. Anna Maria Müller-Groß", ()) == "anna.gross"
    assert suggested_handle("Anna Müller", ("anna.mueller", "anna.mueller2")) == "anna.mueller3"
    assert suggested_handle("Иван Петров", ()) == "ivan.petrov" and suggested_handle("José Ñuñez", ()) == "jose.nunez"
    assert suggested_handle("李", ()) == "" and suggested_handle("", ()) == "" and suggested_handle("Madonna", ()) == "madonna"
    assert len(suggested_handle("A" * 60 + " " + "B" * 60, ())) <= 40

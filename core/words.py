"""Words that are written here and looked up later, when it is known who reads them.

English is the message id. A sentence in a template or behind `gettext` is looked up where it stands; one that is made
before a reader is known (an error, the name of a state, the reason of a refusal) is marked here, so that it comes into
the catalogues, and looked up where it is shown: by the filter `said` in templates, by `KonsilError.said` for errors.
"""

from __future__ import annotations

from collections.abc import Mapping


class Phrase(str):
    """English of ours that a catalogue may translate; any other string is data and stays as it is."""

    __slots__ = ()


def N_(text: str) -> Phrase:
    """Mark a literal for the catalogues without looking it up now."""
    return Phrase(text)


def filled(sentence: str, values: Mapping[str, object]) -> str:
    """The sentence with its `%(name)s` places filled; without values it is taken as it stands, percent signs and all."""
    return sentence % values if values else sentence

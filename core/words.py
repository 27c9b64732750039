"""Words that are written here and looked up later, when it is known who reads them.

English is the message id. A sentence in a template or behind `gettext` is looked up where it stands; one that is made
before a reader is known (an error, the name of a state, the reason of a refusal) is marked here, so that it comes into
the catalogues, and looked up where it is shown: by the filter `said` in templates, by `KonsilError.said` for errors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType


class Phrase(str):
    """English of ours that a catalogue may translate; any other string is data and stays as it is."""

    __slots__ = ()


class Sentence(str):
    """A sentence of ours with its values filled in: as a string it is English, `said` speaks any language."""

    __slots__ = ("_msgid", "_values")
    _msgid: str
    _values: Mapping[str, object]

    def __new__(cls, msgid: str, values: Mapping[str, object] = MappingProxyType({})) -> Sentence:
        made = super().__new__(cls, filled(msgid, values))
        made._msgid, made._values = msgid, values
        return made

    def said(self, gettext: Callable[[str], str]) -> str:
        """The sentence in the language that `gettext` speaks."""
        return spoken(self._msgid, self._values, gettext)


def N_(text: str) -> Phrase:
    """Mark a literal for the catalogues without looking it up now."""
    return Phrase(text)


def filled(sentence: str, values: Mapping[str, object]) -> str:
    """The sentence with its `%(name)s` places filled; without values it is taken as it stands, percent signs and all."""
    return sentence % values if values else sentence


def spoken(sentence: str, values: Mapping[str, object], gettext: Callable[[str], str]) -> str:
    """The sentence in the language that `gettext` speaks, and the values that are words of ours as well."""
    return filled(gettext(sentence), {
        name: gettext(value) if isinstance(value, Phrase) else value for name, value in values.items()})

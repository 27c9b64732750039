"""`make catalogues`: bring the catalogues of all languages up to date and say what is left to translate."""

from __future__ import annotations

from catalogues import LANGUAGES, ROOT, extracted, untranslated, update

for language in LANGUAGES:
    left = untranslated(update(ROOT / "templates" / "locale", language))
    print(f"{language}: {len(extracted())} sentences, {left} to translate")

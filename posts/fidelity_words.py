"""What five languages write differently and mean alike: units, numbers in words, what stands before the second unit of a rate,
and the words that deny something. Tables only; `posts.fidelity` reads them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

LANGUAGES = ("de", "en", "es", "fr", "it")


def _table(lines: str) -> Mapping[str, str]:
    """A word of each line by its first: `mg milligramm …` makes all of them mg."""
    return {word.replace("_", " "): line.split()[0] for line in lines.strip().splitlines() for word in line.split()}


UNITS = _table("""
kg kilo kilos kilogramm kilogramme kilogrammes kilogram kilograms chilo chili chilogrammi chilogrammo kilogramo kilogramos
g gr gramm gram grams gramme grammes grammo grammi gramo gramos
mg milligramm milligram milligrams milligramme milligrammes milligrammo milligrammi miligramo miligramos
µg μg mcg ug mikrogramm microgram micrograms microgramme microgrammes microgrammo microgrammi microgramo microgramos
ng nanogramm nanogram nanograms nanogramme nanogrammes nanogrammi nanogramos
pg
l liter litre litres liters litro litri litros
dl deziliter decilitre decilitres decilitri decilitros
ml milliliter millilitre millilitres milliliters millilitro millilitri mililitro mililitros
µl μl mikroliter microlitre microlitres microlitri microlitros
iu ie ui i.e. i.u. u.i.
u einheit einheiten unit units unité unités unità unidad unidades
mol mmol nmol pmol µmol μmol
meq mval
mmhg
cmh2o
kpa
mm millimeter millimetre millimetres millimeters millimètre millimètres millimetro millimetri milímetro milímetros
cm zentimeter centimetre centimetres centimeters centimètre centimètres centimetro centimetri centímetro centímetros
m meter metre metres meters mètre mètres metro metri metros
% prozent percent pourcent
°c
° grad degrees degree degrés degré gradi grado grados
kcal
mgy gy msv
ma
hz
s sek sekunde sekunden sec second seconds seconde secondes secondo secondi segundo segundos seg
min minute minuten minutes minuti minuto minutos
h std stunde stunden hour hours hr hrs heure heures ora ore hora horas
day tag tage tagen tages days jour jours giorno giorni día días dia
week woche wochen weeks semaine semaines settimana settimane semana semanas
month monat monate monaten months mois mese mesi mes meses
year jahr jahre jahren years an ans année années anno anni año años
x mal fois volta volte vez veces times
tablet tablette tabletten tablets comprimé comprimés compressa compresse comprimido comprimidos
drop tropfen drops goutte gouttes goccia gocce gota gotas
""")
"""Units by how they are written, in lower case."""
AGED = ("jährig", "jahrig")
"""How German makes a word of an age; the rest of the word does not matter."""
CASED = {"M": "", "E": "u", "U": "u", "mM": "mmol", "Tbl": "tablet", "Tbl.": "tablet", "cp": "tablet", "gtt": "drop"}
"""Units that mean something else, or nothing, in the other case."""
PER_ONLY = {"d": "day", "j": "day", "wk": "week", "a": "year", "y": "year", "bpm": "min"}
"""Units that are units only after a stroke or a word for `per`."""
WHOLE = (("mm hg", "mmhg"), ("cm h2o", "cmh2o"), ("per cent", "%"), ("pour cent", "%"), ("per cento", "%"), ("por ciento", "%"),
         ("i. e.", "iu"))
"""Units of two words."""
SOFT = frozenset({"", "x", "tablet", "drop", "day", "week", "month", "year", "h", "u", "°"})
"""Units that a language may as well put before the number, or into another word: beside none of them stands no difference."""
PER = frozenset({"pro", "per", "par", "por", "al", "alla", "a", "à", "an", "je", "im", "am", "cada", "chaque", "every", "alle"})
RATES: Mapping[str, str] = {
    "täglich": "day", "daily": "day", "quotidien": "day", "quotidienne": "day", "quotidiennement": "day", "giornaliero": "day",
    "giornaliera": "day", "giornalieri": "day", "quotidianamente": "day", "diario": "day", "diaria": "day", "diarios": "day",
    "diariamente": "day", "stündlich": "h", "hourly": "h", "wöchentlich": "week", "weekly": "week", "hebdomadaire": "week",
    "hebdomadaires": "week", "settimanale": "week", "settimanali": "week", "semanal": "week", "semanales": "week",
    "monatlich": "month", "monthly": "month", "mensuel": "month", "mensile": "month", "mensual": "month"}
"""One word for `per` and a unit."""
RANGES = frozenset({"bis", "à", "a", "to", "al", "hasta", "ad", "und", "y", "e", "et", "and"})

_NUMBERS: Mapping[str, str] = {
    "de": "zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
    "en": "two three four five six seven eight nine ten eleven twelve",
    "fr": "deux trois quatre cinq six sept huit neuf dix onze douze",
    "it": "due tre quattro cinque sei sette otto nove dieci undici dodici",
    "es": "dos tres cuatro cinco seis siete ocho nueve diez once doce"}
NUMBERS: Mapping[str, Mapping[str, int]] = {
    language: {word: number for number, word in enumerate(words.split(), 2)} for language, words in _NUMBERS.items()}
UNSURE: Mapping[str, frozenset[str]] = {
    "de": frozenset({"acht"}), "en": frozenset(), "fr": frozenset({"neuf"}), "it": frozenset({"sei"}), "es": frozenset()}
"""Numbers in words that are as well another word: new, you are, heed."""
PAIR = 2
"""What languages say by another word as often as by the number: both, a couple."""

_DENIALS: Mapping[str, str] = {
    "de": r"kein(?:e|er|en|em|es|erlei|esfalls)?|nicht\w*|ohne|nie|niemals|niemand|weder",
    "en": r"no|not|cannot|without|never|none|nobody|neither|non|nor|\w+n['’]t",
    "fr": r"pas|aucun|aucune|sans|jamais|non|ni|ne|n['’]",
    "it": r"non|no|senza|nessun|nessuna|nessuno|mai|né|ne",
    "es": r"no|sin|ningún|ninguna|ninguno|nunca|nadie|tampoco|ni"}
_ELIDED = {"fr": r"|(?<!\w)n['’](?=\w)"}
DENIALS: Mapping[str, re.Pattern[str]] = {
    language: re.compile(rf"(?<!\w)(?:{words})(?!\w){_ELIDED.get(language, '')}", re.IGNORECASE)
    for language, words in _DENIALS.items()}
"""The words that deny."""
LINKING: Mapping[str, frozenset[str]] = {
    "de": frozenset(), "en": frozenset({"nor"}), "fr": frozenset({"ni"}), "it": frozenset({"né"}), "es": frozenset({"ni"})}
"""Words that carry a denial on: they count where nothing in their sentence has denied before."""
AGREEING: Mapping[str, frozenset[str]] = {
    "de": frozenset(), "en": frozenset(), "fr": frozenset({"pas", "aucun", "aucune", "jamais"}),
    "it": frozenset({"nessun", "nessuna", "nessuno", "mai"}),
    "es": frozenset({"ningún", "ninguna", "ninguno", "nunca", "nadie", "tampoco"})}
"""Words that, in a clause that denies already, only agree with that."""
OPENING: Mapping[str, frozenset[str]] = {
    "de": frozenset(), "en": frozenset(), "fr": frozenset({"ne", "n'", "n’"}), "it": frozenset({"non", "no"}),
    "es": frozenset({"no"})}
"""Words that these agree with."""
ONLY = {"fr": re.compile(r"(?<!\w)(?:ne\s|n['’])[^.;:,!?]{0,60}?\s(?:que\s|qu['’])", re.IGNORECASE)}
"""French for `only`: it denies nothing where no other word does."""

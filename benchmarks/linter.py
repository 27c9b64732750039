"""What could identify a patient: how much of it is found, what else is marked, and how long that takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.labelled import LANGUAGES, TODAY, Score, blocked, measure, sentences
from benchmarks.pace import Pace
from benchmarks.report import Goal, Part, at
from posts.linter.findings import Family
from posts.linter.hospitals import Hospitals
from posts.linter.lint import hard, lint

_LENGTH = 2048
_TEXTS = 40
_LONG = 32
_HOSTILE = "12.03.2024 1 85 05 78 Frau M. " * (_LENGTH // 30)
SETTING = (
    "Sentences of tests/linter: fictional, about half of each language with something in them, labelled by hand and written"
    ' before the rules were tuned; every second one was not looked at meanwhile ("unseen"). A finding is right where it'
    " touches a label of its family; everything else that is marked is wrong. Times: texts of 2048 characters made of these"
    " sentences, so with far more in them than a case has, one after another in one thread.")


def run(directory: Path, pace: Pace) -> Part:
    """Precision and recall by language and family, and the time for 2 KB and for a hostile 64 KB."""
    hospitals = Hospitals()
    languages = [["", "sentences", "precision", "recall", "unseen: precision", "unseen: recall", "blocked", "blocked wrongly"]]
    families = [["", *(f"{language}: precision / recall" for language in LANGUAGES)]]
    by_family: dict[Family, list[str]] = {family: [] for family in Family}
    goals: list[Goal] = []
    for language in LANGUAGES:
        some = sentences(language)
        scores, _ = measure(some, language, hospitals)
        unseen = _sum(measure([one for one in some if one.held], language, hospitals)[0])
        total, numbers = _sum(scores), blocked(some, language, hospitals)
        languages.append([language, str(len(some)), f"{total.precision:.3f}", f"{total.recall:.3f}", f"{unseen.precision:.3f}",
                          f"{unseen.recall:.3f}", f"{numbers.right} of {numbers.right + numbers.missed}", str(numbers.wrong)])
        for family, score in scores.items():
            by_family[family].append(f"{score.precision:.2f} / {score.recall:.2f} ({score.right + score.missed})")
        goals += [Goal(f"linter, {language}: precision, unseen", (unseen.precision,), .9, at_least=True),
                  Goal(f"linter, {language}: recall, unseen", (unseen.recall,), .9, at_least=True),
                  Goal(f"linter, {language}: numbers that have to block", (numbers.recall,), 1.0, at_least=True)]
    families += [[family.name.lower(), *cells] for family, cells in by_family.items()]
    times, gates, ratios = _times(hospitals, pace)
    goals.append(Goal("linter: ms for 2 KB, p99", tuple(at(some, .99) for some in times), 25.0))
    goals.append(Goal("linter: 32 times the text, in times", ratios, 2.0 * _LONG))
    every = [one for some in times for one in some]
    seen = (f"A text of 2 KB: p50 {at(every, .5):.1f} ms, p99 {at(every, .99):.1f} ms; what the gate repeats of it: p50"
            f" {at([one for some in gates for one in some], .5):.2f} ms.")
    return Part("The linter", SETTING, (languages, families, seen), tuple(goals))


def _sum(scores: dict[Family, Score]) -> Score:
    total = Score()
    for score in scores.values():
        total = total.plus(score)
    return total


def _times(hospitals: Hospitals, pace: Pace) -> tuple[list[list[float]], list[list[float]], tuple[float, ...]]:
    """Milliseconds for each text, round by round, by all rules and by the gate's; and how many times as long a text takes that
    is 32 times as long."""
    texts = [(language, _text(language, start)) for language in LANGUAGES for start in range(_TEXTS // len(LANGUAGES))]
    times: list[list[float]] = []
    gates: list[list[float]] = []
    ratios = []
    for _ in range(pace.rounds):
        times.append([_ms(partial(lint, text, language, hospitals, TODAY)) for language, text in texts])
        gates.append([_ms(partial(hard, text)) for _, text in texts])
        short = min(_ms(partial(lint, _HOSTILE, "de", hospitals, TODAY)) for _ in range(3))
        ratios.append(_ms(partial(lint, _HOSTILE * _LONG, "de", hospitals, TODAY)) / short)
    return times, gates, tuple(ratios)


def _text(language: str, start: int) -> str:
    return "\n".join(one.text for one in sentences(language)[start * 30:])[:_LENGTH]


def _ms(does: Callable[[], object]) -> float:
    before = time.perf_counter()
    does()
    return (time.perf_counter() - before) * 1000

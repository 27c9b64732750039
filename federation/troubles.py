"""Why something has not been delivered, or the program has paused a sibling: stored as a code with one detail, shown as a
sentence in the reader's language.

A stored reason is the code, a space, and what differs from case to case: `answered 503`, `refused It is addressed to
nobody here.` The code is always ours; only the detail may come from outside.
"""

from __future__ import annotations

from core.words import N_, Phrase, Sentence

_LENGTH = 300

REVOKED = "revoked"
NOT_SENT = "not-sent"
DROPPED = "dropped"
KEY_UNANNOUNCED, KEY_UNCONFIRMED = "key-unannounced", "key-unconfirmed"
NOT_LISTED = "not-listed"
SENTENCES = {
    "unreachable": N_("It could not be reached: %(detail)s"),
    "no-answer": N_("It was reached and gave no answer: %(detail)s"),
    "answered": N_("It answered %(detail)s."),
    "special-address": N_("Its address is never contacted from here."),
    "no-receipt": N_("It answered %(detail)s, which is no answer to an activity. Everything waits until somebody has looked."),
    "refused": N_("It refused this: %(detail)s"),
    "too-large": N_("It takes nothing as large as this."),
    REVOKED: N_("It was revoked before it had confirmed this."),
    DROPPED: N_("An operator here has ended this: %(detail)s"),
    "not-admitted": N_("The gate had closed, or opened again, before this could be sent."),
    "postponed": N_("It had no room for this yet."),
    "new-epoch": N_("It knows these numbers otherwise: they begin anew, and what is missing goes out again."),
    "internal": N_("Something went wrong here while sending; the log says what."),
    KEY_UNANNOUNCED: N_("It shows a key that nobody announced and nobody confirmed, %(detail)s. Ask its operators over another"
                        " channel before you go on."),
    KEY_UNCONFIRMED: N_("It uses the key it announced, and nobody here has confirmed it. Compare the fingerprint"
                        " with its operators, confirm it, then go on."),
    "bad-comparison": N_("Its answer to a comparison cannot be right, so nothing was done by it: %(detail)s"),
    "no-comparison": N_("It does not know comparisons: it runs other software, or an older release."),
    "interrupted": N_("It was interrupted, and is begun anew."),
    "too-long": N_("It took too long, and is gone on with later."),
    "gate-closed": N_("It was paused or revoked here meanwhile."),
    NOT_LISTED: N_("Nothing is known of this instance at the moment: it is not on the list of siblings, or that cannot be read."),
    NOT_SENT: N_("This was not sent there: there was no connection at the time."),
}
_ASK = N_("Ask its operators whether its server is well. Nothing is lost meanwhile, and it goes on by itself.")
_ADVICE = {
    "unreachable": _ASK, "no-answer": _ASK, "answered": _ASK,
    "no-receipt": N_("Something answers in its place, or it does not let us in. Run its self-test, ask its operators, then"
                     " go on."),
    "special-address": N_("Look at what its name resolves to, here and elsewhere. Once that is right, go on."),
    "refused": N_("Read its reason and ask its operators. What is parked can be tried again or dropped."),
    "too-large": N_("Ask its operators to raise their limit, then try it again; or drop it."),
    "internal": N_("Look into the log of this instance."),
}
"""What an operator can do about a trouble, by its code."""


def todo(stored: str) -> str:
    """What to do about a stored reason; nothing where there is nothing to say."""
    return _ADVICE.get(stored.partition(" ")[0], "")


def reason(code: str, detail: object = "") -> str:
    """A reason as it is stored."""
    return f"{code} {detail}".strip()[:_LENGTH]


def said_of_state(stored: str) -> str:
    """The reason of a sibling's state: a sentence where the program gave it, else what an operator wrote, as it stands."""
    return in_words(stored) if stored.startswith((f"{KEY_UNANNOUNCED} ", f"{KEY_UNCONFIRMED} ")) else stored


def in_words(stored: str) -> Sentence:
    """What a stored reason says; the empty one says nothing. What a sibling wrote is looked up too: it may speak our words."""
    if not stored:
        return Sentence("")
    code, _, detail = stored.partition(" ")
    sentence = SENTENCES.get(code)
    return Sentence(sentence, {"detail": Phrase(detail)}) if sentence is not None else Sentence("%(code)s", {"code": stored})

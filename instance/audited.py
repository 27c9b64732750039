"""The audit log in words and as a file."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from core.words import N_
from instance.assembly import Assembly

DEEDS = {
    "picture.opened": N_("looked at a picture of the post"),
    "consent.withdrawn": N_("deleted the post because the patient has withdrawn the consent"),
    "sibling.proposed": N_("proposed the sibling"),
    "sibling.confirmed": N_("confirmed its key"),
    "sibling.active": N_("let the sibling in"),
    "sibling.checked": N_("ran the self-test of the sibling"),
    "sibling.paused": N_("paused the sibling"),
    "sibling.revoked": N_("revoked the sibling"),
    "sibling.retry": N_("sent what was waiting"),
    "delivery.retried": N_("tried again what had been parked"),
    "delivery.dropped": N_("ended something that was to be sent"),
    "sibling.erasure-ordered": N_("ordered the sibling to erase what it has from us"),
    "sibling.erasure-received": N_("was told that the order to erase was received"),
    "sibling.erasure-unconfirmed": N_("could not hand over the order to erase"),
    "sibling.erasing": N_("began to erase everything of the sibling, which had ordered this"),
    "sibling.erased": N_("erased everything of the sibling"),
    "sibling.compared": N_("compared with the sibling"),
    "desk.added": N_("added the editorial desk"),
    "desk.handed-over": N_("handed over the editorial desk"),
    "desk.closed": N_("closed the editorial desk"),
    "disclosures.exported": N_("exported what went to the sibling"),
    "sibling.described": N_("changed what is noted about the sibling"),
    "sibling.key-announced": N_("announced a new key"),
    "sibling.key-withdrawn": N_("withdrew the key it had announced"),
    "sibling.key-compared": N_("compared its new key, as the first of two"),
    "sibling.key-confirmed": N_("confirmed its new key"),
    "sibling.key-refused": N_("refused its new key"),
    "sibling.key-dropped": N_("forgot its new key, because it was revoked"),
    "sibling.key-changed": N_("found its new key in use"),
    "sibling.key-strange": N_("found a key in use that nobody has confirmed"),
    "sibling.document-key": N_("learnt with which key it signs documents"),
    "key.proposed": N_("proposed a new key for this instance"),
    "key.announced": N_("announced the new key"),
    "key.switched": N_("took the new key into use"),
    "key.dropped": N_("dropped the new key"),
    "key.confirmed": N_("confirmed our new key"),
    "key.refused": N_("refused our new key"),
    "doctor.verified": N_("verified the doctor"),
    "doctor.applicant": N_("entered an applicant"),
    "doctor.rejected": N_("rejected the applicant"),
    "doctor.suspended": N_("suspended the doctor"),
    "doctor.withdrawn": N_("took the verification of the doctor back"),
    "doctor.renewed": N_("verified the doctor anew"),
    "doctor.expired": N_("told everybody that the verification of the doctor has run out"),
    "application.asked": N_("asked the applicant for more"),
    "application.proposed": N_("proposed a decision about the application"),
    "application.declined": N_("did not confirm the decision about the application"),
    "application.rejected": N_("rejected the application"),
    "application.accepted": N_("verified the applicant"),
    "doctor.leaves": N_("asked for the departure of the doctor"),
    "doctor.stays": N_("stays after all"),
    "doctor.exported": N_("made an archive for the doctor"),
    "doctor.departed": N_("erased the doctor, who has left"),
    "operator.added": N_("added an operator"),
    "operator.linked": N_("noted which doctor the operator is"),
    "operator.signed-in": N_("signed in"),
    "operator.secured": N_("changed how an operator signs in"),
    "doctor.secured": N_("changed how the doctor signs in"),
    "notice.handled": N_("handled a notice from outside"),
    "case.opened": N_("read a post that was reported"),
    "post.opened": N_("read a post without a report"),
    "report.raised": N_("reported a post"),
    "report.taken-down": N_("took down a reported post"),
    "report.kept": N_("let a reported post stand"),
    "report.changed": N_("let a reported post stand, since it was changed"),
    "report.overturned": N_("found that a post should not have been taken down"),
    "report.hidden": N_("hid a reported post here"),
    "report.shown": N_("let a hidden post be seen again here"),
    "poll.attested": N_("asked other instances to attest the count of a poll"),
    "post.deleted": N_("deleted a post of her own"),
    "document.viewed": N_("looked at a document of the application"),
    "document.deleted": N_("deleted the documents of the application"),
    "document.lost": N_("found that a document of the application is lost"),
    "alias.proposed": N_("proposed to find out who signed a post by role only"),
    "alias.confirmed": N_("agreed to find out who signed a post by role only"),
    "alias.refused": N_("refused to find out who signed a post by role only"),
    "alias.looked-up": N_("looked up who signed a post by role only"),
    "audit.exported": N_("exported the audit log"),
    "backup.made": N_("made a backup"),
    "backup.restored": N_("restored a backup"),
    "erasures.begun-anew": N_("began a new journal of erasures"),
    "erasures.replayed": N_("erased again what had been erased since the backup"),
}
"""What each action is, in words; who did it stands before, what it was about behind."""


async def lines(assembly: Assembly, by: str) -> AsyncIterator[str]:
    """The whole log as JSON Lines: every line with its digest, and at the end the head, signed (RSA, PKCS #1 v1.5, SHA-256)
    over the instance's origin, a blank, the last line's number, a blank and its digest in hexadecimal. The export is the
    last line in it."""
    await assembly.database.write(lambda tx: assembly.audit.note(
        tx, by=by, action="audit.exported", target=assembly.identity.origin))
    seq, digest = 0, b""
    while piece := await assembly.audit.piece(seq):
        for entry in piece:
            seq, digest = entry.seq, entry.hash
            yield _json(entry._asdict() | {"hash": entry.hash.hex()})
    signed = f"{assembly.identity.origin} {seq} {digest.hex()}"
    pair = assembly.identity.ring.pair
    signature = pair.private.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    yield _json({"instance": assembly.identity.origin, "lines": seq, "head": digest.hex(),
                 "key": pair.public.fingerprint, "signature": base64.b64encode(signature).decode()})


def _json(line: dict[str, object]) -> str:
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"

"""Ways to reach somebody: mail addresses, pages and names at social networks, telephone numbers.

`@name@domain` is how colleagues are named here, and passes.
"""

from __future__ import annotations

import re

from core.words import N_, Phrase
from posts.linter.findings import TAKEN_OUT, Family, Finding
from posts.linter.source import Source

_MAIL = re.compile(r"(?<![\w@.+-])[\w.+%-]{1,64}(?:@| ?\[at\] ?"
    r"| ?\(at\) ?)[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}(?![\w@])", re.IGNORECASE)
_HOSTS = re.compile(
    r"(?<![\w.-])(?:https?://)?(?:[\w-]{1,20}\.)?(?:facebook\.com|fb\.(?:com|me|watch)|instagram\.com|instagr\.am"
    r"|tiktok\.com|twitter\.com|x\.com"
    r"|linkedin\.com/in|xing\.com/profile|snapchat\.com|threads\.net|bsky\.app/profile|t\.me|wa\.me|vk\.com|ok\.ru"
    r"|youtube\.com/(?:@|c/|channel/|user/)"
    r"|youtu\.be|vimeo\.com|pinterest\.[a-z]{2,3}|reddit\.com/u(?:ser)?|discord\.gg|twitch\.tv|flickr\.com"
    r"|gofundme\.com|leetchi\.com"
    r"|betterplace\.me|gofund\.me|caringbridge\.org|helloasso\.com|ulule\.com|produzionidalbasso\.com"
    r"|justgiving\.com|migranodearena\.org|teaming\.net"
    r"|tumblr\.com|patientslikeme\.com|strava\.com/athletes|linktr\.ee)[/\w@][^\s<>\"),;]{0,500}", re.IGNORECASE)
_FEDIVERSE = re.compile(r"https?://[\w.-]{3,120}/@[\w.]{1,64}", re.IGNORECASE)
_HANDLE = re.compile(
    r"(?<!\w)(?:instagram|insta|ig|facebook|fb|tiktok|tik tok|twitter|snapchat|snap|telegram|threads|bluesky"
    r"|mastodon|youtube|linkedin|skype|discord)"
    r"(?:-?(?:account|profil|profile|konto|kanal|compte|profilo|perfil|cuenta|handle|name))?"
    r"(?:[: ]{1,2}(?:unter|als|as|under|at|sous|sotto|come|con|como|bajo|ist|est|is|è"
    r"|es)?[: ]{0,2})(?P<handle>@[\w.]{3,30}|(?=[\w.]{0,29}[\d_.])[a-z][\w.]{3,29}(?<!\.))(?![\w@])", re.IGNORECASE)
_AT = re.compile(r"(?<![\w@./])@[\w.]{2,30} (?=(?:auf|sur|su|en|on) (?:instagram|insta|facebook|tiktok|twitter|x"
    r"|snapchat|telegram|youtube)\b)", re.IGNORECASE)
_CALL = (r"(?:tel(?:efon(?:nummer|isch)?|efono|éfono|\.? ?n[rº°.]\.?)?|t[ée]l(?:[ée]phone)?|phone(?: number)?"
    r"|telephone|handy(?:nummer)?|mobil(?:e|telefon|nummer|funk)?|m[óo]vil"
         r"|fax|portable|cell(?:ulare|phone)?|whatsapp|sms|ruf(?:nummer)?|erreichbar(?: unter)?|anrufen(?: unter)?"
         r"|r[üu]ckruf(?: unter)?|dect|durchwahl|piepser|pieper|funk"
         r"|(?:joignable|rappeler|appeler|contacter)(?: la famille| le patient| la patiente)?(?: au| le)?"
         r"|num[ée]ro(?: de portable| de t[ée]l[ée]phone)?|poste|bip|chiamare(?: il| al)?|richiamare(?: il| al)?"
         r"|numero(?: di telefono)?"
         r"|recapito(?: telefonico)?|interno|llamar(?: al)?|tel[ée]fono de contacto|contacto|extensi[óo]n|busca"
         r"|call(?: back)?(?: on)?|contact(?: number)?|ring|reach(?:ed|able)?(?: on| at)|bleep|pager"
         r"|ext(?:ension)?)")
_CALLED = re.compile(
    rf"(?<!\w){_CALL}\.?(?: (?:der|des|vom|von|du|de la|de|del|della|dello|of the"
    rf"|of) \w{{2,15}}){{0,1}}[ :]{{0,3}}(?:nr\.?|n[°º]|no\.?|unter|au|al|on|at|is|ist|est|è"
    rf"|es)?[ :#]{{0,2}}(?P<number>\+?\(?\d[\d ()./-]{{2,22}}\d)(?![\w%]|[.,:]\d)", re.IGNORECASE)
_INTERNATIONAL = re.compile(r"(?<![\w+])(?:\+|00)(?:[1-9]\d{0,2})(?:[ ./-]{0,2}\(?\d{1,5}\)?){2,7}(?!\w)")
_UNIT = (r"(?! {0,2}(?:%|°|/|x ?10|mg|g\b|kg|ml|l\b|mmol|mol|µ|μ|ug|ng|pg|u\b|ui\b|iu\b|ie\b|i\.?e\.|kcal|mm|cm"
    r"|m\b|ms|min|h\b|bpm|copies|kopien|copie|copias|cells?|zellen|cellules|cellule|c[ée]lulas"
         r"|leuko|leuco|thrombo|pla[qt]|patient|pazienti|pacientes|euro?s?\b|€|chf|fr\b|years|jahre|ans\b|anni"
         r"|a[ñn]os|tage|days|jours|giorni|d[íi]as|pg/|reads))")
_NATIONAL = re.compile(
    r"(?<![\w.,/+-])(?:"
    r"0[1-9](?:[ .-]\d\d){4}"                                        # FR 06 12 34 56 78
    r"|0[67]\d{8}"                                                    # FR 0612345678
    r"|0[1-9]\d{1,3}[ /-]{1,3}(?:\d{5,9}|\d{3,4}[ -]\d{2,5}(?:[ -]\d{2,4})?|\d\d(?:[ -]\d\d){2,3}"
    r"|\d{2,3} \d{2,3} \d{2,3})"  # DE, AT, CH, GB
    r"|\(0\d{2,4}\) ?\d{3,4}[ -]?\d{3,5}(?:[ -]\d{2,4})?"            # (030) 4505 0000, (01632) 960 983
    r"|07\d{3} ?\d{6}|07\d{3} \d{3} \d{3}"                           # GB mobile
    r"|01[567]\d{8,9}"                                               # DE mobile
    r"|06[5-9]\d[ /]?\d{6,8}"                                        # AT mobile
    r"|3[2-9]\d[ .-]\d{3}[ .-]?\d{3,4}|3[2-9]\d[ .-]\d{6,7}"         # IT mobile
    r"|[679]\d\d \d\d \d\d \d\d|[67]\d{2}[ .-]\d{3}[ .-]\d{3}"       # ES
    rf")(?!\w|[.,/-]\d){_UNIT}", re.IGNORECASE)
_DAY = re.compile(r"\d{1,2}[./-] ?\d{1,2}[./-] ?\d{2,4}|\d{4}-\d\d-\d\d")
_DIGITS = re.compile(r"\d")


def findings(source: Source) -> list[Finding]:
    """What of it leads to a person by mail, page, name at a network or telephone."""
    made = []
    if "@" in source.words or "at)" in source.words or "at]" in source.words:
        made += [_made(source, match.span(), Family.MAIL, N_("Whoever has this address can write to that person."))
                 for match in _MAIL.finditer(source.words)]
    pages = source.text
    if "." in pages:
        for pattern in (_HOSTS, _FEDIVERSE):
            made += [_made(source, match.span(), Family.LINK, N_("This leads to what somebody shows of herself, "
                "and so to her name."))
                     for match in pattern.finditer(pages)]
    for match in _HANDLE.finditer(source.words):
        made.append(_made(source, match.span("handle"), Family.LINK, N_("A name at a social network leads to a person.")))
    for match in _AT.finditer(source.words):
        made.append(_made(source, (match.start(), match.end() - 1), Family.LINK,
                          N_("A name at a social network leads to a person.")))
    why = N_("A telephone number leads to one person, a ward's to one hospital.")
    for match in _CALLED.finditer(source.words):
        digits = len(_DIGITS.findall(match["number"]))
        if 3 < digits < 16 and _DAY.fullmatch(match["number"]) is None:
            made.append(_made(source, match.span("number"), Family.PHONE, why))
    for pattern in (_INTERNATIONAL, _NATIONAL):
        for match in pattern.finditer(source.words):
            if 7 <= len(_DIGITS.findall(match[0])) <= 17:
                made.append(_made(source, match.span(), Family.PHONE, why))
    return made


def _made(source: Source, place: tuple[int, int], family: Family, why: Phrase) -> Finding:
    start, end = source.at(*place)
    return Finding(start, end, family, why, TAKEN_OUT)

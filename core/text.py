"""Text that people write and other people's browsers show: Markdown in, safe HTML out, and the gate for arriving HTML.

Everything that ends in a page passes `clean`, last. It is fast and bounded, so it may run on the event loop. Markdown
is not: some short texts cost minutes. `Renderer` therefore keeps one child process (`python -m core.text`) that knows
no settings, no keys and no database, has a limit on its memory, and is killed when the deadline passes.

Nothing else in the program may import bleach or nh3.
"""

from __future__ import annotations

import asyncio
import contextlib
import html as entities
import re
import struct
import sys
import unicodedata
from asyncio.subprocess import DEVNULL, PIPE, Process
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import nh3

from core.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from markdown import Markdown

TAGS = frozenset((
    "p", "br", "hr", "h3", "h4", "strong", "em", "del", "sub", "sup", "a", "code", "pre", "blockquote",
    "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"))
"""What a clinical note needs; no picture, no frame, no form, no style."""
LINK_REL = "nofollow noopener noreferrer"
"""What every link out of the gate says about where it leads."""

_ROOT = str(Path(__file__).resolve().parent.parent)
_HTML_LIMIT = 100_000
_TAG_LIMIT = 4_000
_ENTITY_LIMIT = 20_000
_PLAIN_LENGTH = 20_000
_STYLED_LIMIT = 50
_QUOTE_DEPTH = 12
_INDENT = 160
_BRACKET_DEPTH = 50
_WAITING_LIMIT = 32
_START_SECONDS = 30.0
_CHILD_MEMORY = 512 * 1024 * 1024

_INVISIBLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SUSPECT = bytes((*range(9), 11, 12, *range(14, 32), 127, 0xE2, 0xED, 0xEF))  # bytes that all of these have one of in UTF-8
_LETTERS = r"[^<>&\x00-\x08\x0b-\x1f\x7f\xa0\ufeff\u202a-\u202e\u2066-\u2069\ud800-\udfff]*+"
_PARAGRAPHS = re.compile(  # nothing is ever tried twice (the second +), so it takes one pass
    rf"(?:<p>{_LETTERS}(?:<(?:br>|(code|del|em|strong|sub|sup)>{_LETTERS}</\1>){_LETTERS})*+</p>\n?)++")
_STYLED = re.compile(r"<(?:b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u)[\s/]", re.IGNORECASE)
_LINK = re.compile(r"(?:https?://[^\s\\/?#@<>\"]+(?:[/?#][^\s\\<>\"]*)?|mailto:[^\s\\<>\"]+)", re.IGNORECASE)
_BARE_LINK = re.compile(r"https?://[^\s<>\"'\\\x02\x03]{1,1000}", re.IGNORECASE)
_CODE = re.compile(r"<(pre|code)>.*?</\1>", re.DOTALL)
_KEPT = re.compile("\x02([0-9]+)\x03")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,3}")
_BREAK = re.compile(r"<br>|<hr>|</(?:p|li|h3|h4|tr|td|th|blockquote|pre|table|ul|ol)>")
_LINE = re.compile(r"<br>|<hr>|</(?:p|li|h3|h4|tr|blockquote|pre|table|ul|ol)>")
_TAG = re.compile(r"<[^>]*>")
_NO_ACCENT = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe"})  # what Unicode does not take apart
_FRAME = struct.Struct(">BI")
_DONE, _FAILED = 0, 1


def clean(html: str) -> str:
    """The HTML with everything outside the allowlist removed; well under a millisecond for an ordinary post.

    `InvalidInput` (too-complex) when the markup is larger than any post, so that nobody can hold the event loop:
    the parser's time grows with the square of what is nested.
    """
    # most are shorter and have fewer tags than any of the bounds
    if (len(html) > _PLAIN_LENGTH or html.count("<") > _STYLED_LIMIT) and (
            len(html) > _HTML_LIMIT or html.count("<") - html.count("</") > _TAG_LIMIT or html.count("&") > _ENTITY_LIMIT
            or sum(1 for _ in _STYLED.finditer(html)) > _STYLED_LIMIT):
        raise _too_complex("arriving HTML passes the bounds of core.text.clean")
    if _PARAGRAPHS.fullmatch(html) is not None:  # what most people write comes out of the cleaner as it goes in
        return html
    cleaned = _cleaner().clean(visible(html))
    return visible(cleaned) if "&" in html else cleaned  # a reference may have become one of what nobody sees


def visible(text: str) -> str:
    """The text without the characters nobody sees; most texts have none, and one pass over their bytes tells."""
    raw = text.encode("utf-8", "surrogatepass")
    return text if len(raw.translate(None, _SUSPECT)) == len(raw) else _INVISIBLE.sub("", text)


def one_line(text: str) -> str:
    """A text without line breaks and what nobody sees."""
    return " ".join(visible(text).split())


def plain(html: str, limit: int) -> str:
    """The words of the HTML on one line of at most `limit` characters. Not HTML any more: escape it when shown."""
    text = _words(clean(html))
    if len(text) <= limit:
        return text
    cut = text[:max(limit - 1, 0)]
    head, space, _ = cut.rpartition(" ")
    return ((head if space and len(head) > limit // 2 else cut).rstrip() + "…")[:limit]


def folded(text: str) -> str:
    """The words of a text without case, accents and punctuation, one space between them: for sorting and finding."""
    letters = unicodedata.normalize("NFKD", text).casefold().translate(_NO_ACCENT)
    return " ".join("".join(
        letter if letter.isalnum() else " " for letter in letters if not unicodedata.combining(letter)).split())


def lines(html: str) -> tuple[str, ...]:
    """The words of the HTML, one string a paragraph, list item or table row. Not HTML any more: escape it when shown."""
    return tuple(filter(None, (_words(part) for part in _LINE.split(clean(html)))))


def spoken(cleaned: str) -> str:
    """The words of HTML that has passed the gate already, on one line. Not HTML any more: escape it when shown."""
    return _words(cleaned)


def _words(cleaned: str) -> str:
    return " ".join(visible(entities.unescape(_TAG.sub("", _BREAK.sub(" ", cleaned)))).split())


def render_now(markdown: str) -> str:
    """Markdown as safe HTML, in the calling thread, without a deadline: only the child process should call this.

    Raw HTML in the text is shown as it was typed (`CRP <5`), except sub, sup and del. Bare http(s) addresses become
    links; a name without a scheme does not, because `Tbl.am Morgen` is no address.
    """
    from bleach.linkifier import Linker

    try:
        linked = _converter().reset().convert(visible(markdown))
    except BaseException:
        _converter.cache_clear()  # half-way through a list it would take the next text for part of it
        raise
    kept: list[str] = []  # bleach escapes what stands in its skip_tags a second time, so code waits outside

    def keep(found: re.Match[str]) -> str:
        kept.append(found[0])
        return f"\x02{len(kept) - 1}\x03"

    linked = Linker(callbacks=[], url_re=_BARE_LINK).linkify(_CODE.sub(keep, linked))
    linked = clean(_KEPT.sub(lambda found: kept[int(found[1])], linked))
    return clean(linked)  # so that what leaves here is within the bounds of every sibling's `clean`


def check_bounds(markdown: str, limit: int) -> None:
    """Refuse, cheaply, a text that is too long or nested deeper than anybody writes."""
    if len(markdown) > limit:
        raise InvalidInput("The text has %(count)s characters; at most %(most)s are possible.",
                           values={"count": len(markdown), "most": limit}, reason="too-long", field="text")
    depth = 0
    for line in markdown.splitlines():
        start = line.expandtabs(4)
        head = start[:len(start) - len(start.lstrip(" >"))]
        if head.count(">") > _QUOTE_DEPTH or len(head) > _INDENT:
            raise _too_complex("quotes or lists nested too deep")
        if not line.strip():
            depth = 0
        for letter in line:
            if letter in "[(":
                depth += 1
            elif letter in "])" and depth:
                depth -= 1
            if depth > _BRACKET_DEPTH:
                raise _too_complex("brackets nested too deep")


class Renderer:
    """Renders Markdown in one child process, started at the first text and stopped after `idle` seconds without one.

    A text that is not done after `deadline` seconds is refused, its process killed, and the next text gets a new one.
    Texts wait in line; when too many do, `Unavailable` asks to come back. Belongs to one event loop.
    """

    def __init__(self, deadline: float, limit: int, *, idle: float = 60.0) -> None:
        self._deadline, self._limit, self._idle = deadline, limit, idle
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._process: Process | None = None
        self._retirement: asyncio.Task[None] | None = None

    @property
    def running(self) -> int | None:
        """The process id of the child, or None while there is none."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def render(self, markdown: str) -> str:
        """The Markdown as safe HTML; `InvalidInput` with reason too-long or too-complex."""
        check_bounds(markdown, self._limit)
        if self._waiting >= _WAITING_LIMIT:
            raise Unavailable("Many texts are being set at this moment; yours is kept, please send it again.",
                              retry_after=5)
        self._waiting += 1
        try:
            async with self._turn:
                if self._retirement is not None:
                    self._retirement.cancel()
                try:
                    return await self._exchange(visible(markdown).encode())
                finally:
                    if self._process is not None:
                        self._retirement = asyncio.create_task(self._retire())
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """Stop the child, after the text it is working on; a later `render` would start a new one."""
        async with self._turn:
            if self._retirement is not None:
                self._retirement.cancel()
            await self._stop()

    async def _exchange(self, text: bytes) -> str:
        """Send one text and read one answer; whatever goes wrong in between leaves no child behind."""
        process = self._process
        if process is None or process.returncode is not None:
            process = await self._start()
        assert process.stdin is not None and process.stdout is not None
        try:
            async with asyncio.timeout(self._deadline):
                process.stdin.write(_FRAME.pack(_DONE, len(text)) + text)
                await process.stdin.drain()
                status, size = _FRAME.unpack(await process.stdout.readexactly(_FRAME.size))
                answer = await process.stdout.readexactly(size)
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError) as error:
            await self._stop()
            raise _too_complex(f"the renderer gave no answer: {type(error).__name__}") from None
        except BaseException:
            await self._stop()
            raise
        if status != _DONE:
            raise _too_complex(answer.decode())
        return answer.decode()

    async def _start(self) -> Process:
        """Start the child and wait until it has imported what it needs; that time is not the text's."""
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "core.text", str(self._deadline),
            stdin=PIPE, stdout=PIPE, stderr=DEVNULL, cwd=_ROOT, env={"PYTHONPATH": _ROOT, "PYTHONUTF8": "1"})
        assert process.stdout is not None
        try:
            async with asyncio.timeout(_START_SECONDS):
                await process.stdout.readexactly(_FRAME.size)
        except (TimeoutError, asyncio.IncompleteReadError) as error:
            await self._stop()
            raise Unavailable("Texts cannot be set at this moment; yours is kept, please send it again.",
                              cause=f"the renderer did not start: {type(error).__name__}", retry_after=30) from None
        except BaseException:
            await self._stop()
            raise
        return process

    async def _retire(self) -> None:
        await asyncio.sleep(self._idle)
        async with self._turn:
            self._retirement = None
            await self._stop()

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.communicate()


def serve(deadline: float) -> None:
    """The child: read texts from standard input, answer on standard output, end with the input.

    It limits its own memory, connects to nothing, and an alarm ends it should its parent have died while a text was
    being set.
    """
    import resource
    import signal

    from core import egress

    egress.arm()
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (_CHILD_MEMORY, _CHILD_MEMORY))
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    render_now("*warm*")
    sink.write(_FRAME.pack(_DONE, 0))
    sink.flush()
    while head := source.read(_FRAME.size):
        signal.setitimer(signal.ITIMER_REAL, deadline * 2 + 1)
        text = source.read(_FRAME.unpack(head)[1]).decode()
        try:
            status, answer = _DONE, render_now(text).encode()
        except Exception as error:  # whatever the libraries trip over is the text's fault, and the next text's turn
            status, answer = _FAILED, f"{type(error).__name__}: {error}"[:300].encode(errors="replace")
        signal.setitimer(signal.ITIMER_REAL, 0)
        sink.write(_FRAME.pack(status, len(answer)) + answer)
        sink.flush()


def _too_complex(cause: str) -> InvalidInput:
    return InvalidInput("This text is nested or formatted in a way that takes too long to set; please simplify it.",
                        reason="too-complex", cause=cause, field="text")


@cache
def _cleaner() -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=set(TAGS),
        attributes={"*": {"dir", "lang"}, "a": {"href"}, "ol": {"start"}, "th": {"align"}, "td": {"align"}},
        attribute_filter=_attribute,
        link_rel=LINK_REL,
        url_schemes={"http", "https", "mailto"},
        url_relative="deny",
    )


def _attribute(tag: str, name: str, value: str) -> str | None:
    """The value of an allowed attribute, or None when nobody honest can have meant it."""
    if name == "href":
        return value if len(value) <= 2000 and _LINK.fullmatch(value) else None
    if name == "dir":
        return value if value in ("ltr", "rtl", "auto") else None
    if name == "lang":
        return value if _LANGUAGE.fullmatch(value) else None
    if name == "align":
        return value if value in ("left", "right", "center") else None
    if name == "start":
        return value if re.fullmatch(r"[0-9]{1,4}", value) else None
    return value if (tag, name) == ("a", "rel") else None


@cache
def _converter() -> Markdown:
    """Python-Markdown without raw HTML and pictures, with tables, fences, line breaks, ~~del~~, sub and sup."""
    from core.markup import converter

    return converter()


if __name__ == "__main__":
    serve(float(sys.argv[1]))

"""From HTML that has passed the gate back to the Markdown of which it can have been made: for posts whose source was lost.

It is read, changed and rendered again by their authors, so it has to say the same, not be the same.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

_AROUND = {"strong": "**", "em": "*", "del": "~~", "sub": ("<sub>", "</sub>"), "sup": ("<sup>", "</sup>")}
_HEADS = {"h3": "### ", "h4": "#### "}
_MEANS = re.compile(r"([\\`*_\[\]])")
_BEGINS = re.compile(r"^(\s*)([#>+|-]|\d+(?=\.))", re.MULTILINE)
_MANY_BLANKS = re.compile(r"\n{3,}")


def markdown_of(html: str) -> str:
    """Markdown that renders to this HTML, or to something that reads alike."""
    writer = _Writer()
    writer.feed(html)
    writer.close()
    return _MANY_BLANKS.sub("\n\n", writer.end()).strip()


class _Writer(HTMLParser):
    """Writes into the innermost of the blocks that are open; a block is put into the one around it when it ends."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._blocks: list[list[str]] = [[]]
        self._lists: list[int | None] = []
        self._links: list[str] = []
        self._preformatted = self._code = False
        self._cells = 0

    def end(self) -> str:
        while len(self._blocks) > 1:
            self._put(self._pop())
        return self._pop()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _AROUND:
            mark = _AROUND[tag]
            self._put(mark if isinstance(mark, str) else mark[0])
        elif tag in ("p", "blockquote", "li", "pre", "a", *_HEADS):
            self._blocks.append([])
        if tag == "br":
            self._put("\n")
        elif tag == "hr":
            self._put("\n\n---\n\n")
        elif tag in ("ul", "ol") and self._inside:
            self._put("\n")
        if tag == "ul":
            self._lists.append(None)
        elif tag == "ol":
            start = dict(attrs).get("start") or "1"
            self._lists.append(int(start) if start.isdecimal() else 1)
        elif tag == "a":
            self._links.append(dict(attrs).get("href") or "")
        elif tag == "pre":
            self._preformatted = True
        elif tag == "code":
            self._code = True
            self._put("" if self._preformatted else "`")
        elif tag == "tr":
            self._cells = 0
            self._put("|")
        elif tag == "table":
            self._put("\n\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _AROUND:
            mark = _AROUND[tag]
            self._put(mark if isinstance(mark, str) else mark[1])
        elif tag == "p":
            self._put(f"{self._pop().strip()}\n\n")
        elif tag in _HEADS:
            self._put(f"\n\n{_HEADS[tag]}{self._pop().strip()}\n\n")
        elif tag == "blockquote":
            self._put("\n\n" + _indented(self._pop(), "> ", "> ") + "\n\n")
        elif tag == "li":
            self._put(self._listed(self._pop()))
        elif tag in ("ul", "ol"):
            if self._lists:
                self._lists.pop()
            self._put("\n\n" if not self._lists else "\n")
        elif tag == "a":
            self._put(self._linked(self._pop()))
        elif tag == "pre":
            self._preformatted = False
            self._put(f"\n\n```\n{self._pop().rstrip()}\n```\n\n")
        elif tag == "code":
            self._code = False
            self._put("" if self._preformatted else "`")
        elif tag in ("th", "td"):
            self._cells += 1
            self._put(" |")
        elif tag == "tr":
            self._put("\n")
        elif tag == "thead":
            self._put("|" + " --- |" * self._cells + "\n")
        elif tag == "table":
            self._put("\n")

    def handle_data(self, data: str) -> None:
        if self._preformatted or self._code or self._links:
            self._put(data)
        elif data.strip() or "\n" not in data:
            data = data if self._inside else data.lstrip("\n")  # what stands there after <br>
            text = _MEANS.sub(r"\\\1", data)
            self._put(_BEGINS.sub(r"\1\\\2", text) if not self._inside else text)

    @property
    def _inside(self) -> bool:
        """Whether something stands before this on its line."""
        written = "".join(self._blocks[-1])
        return bool(written) and not written.endswith("\n")

    def _put(self, text: str) -> None:
        self._blocks[-1].append(text)

    def _pop(self) -> str:
        return "".join(self._blocks.pop()) if self._blocks else ""

    def _listed(self, text: str) -> str:
        number = self._lists[-1] if self._lists else None
        if number is not None:
            self._lists[-1] = number + 1
        mark = "- " if number is None else f"{number}. "
        return _indented(text, mark.ljust(4), "    ") + "\n"

    def _linked(self, text: str) -> str:
        """A link as it was typed: an address that is its own text, a mention and a hashtag become links by themselves."""
        href = self._links.pop() if self._links else ""
        if text == href or text.startswith(("@", "#")) or not href:
            return text
        said = _MEANS.sub(r"\\\1", text)
        return f"[{said}]({href})"


def _indented(text: str, first: str, others: str) -> str:
    lines = _MANY_BLANKS.sub("\n\n", text.strip()).split("\n")
    return "\n".join((first if number == 0 else others) + line if line or others.strip() else "" for number, line in
                     enumerate(lines))

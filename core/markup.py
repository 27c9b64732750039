"""The dialect of Markdown that posts are written in; only the renderer's child process imports this.

Differences from Python-Markdown: raw HTML is shown as typed, a picture becomes a link, a heading needs a blank after
its `#` (so `#Sepsis` and `#1` stay text), headings are h3 and h4 only because a page has its own h1 and h2, and
`<@ada@de.example>` is a mention in brackets and no mail address.
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

from markdown import Markdown
from markdown.blockprocessors import HashHeaderProcessor
from markdown.extensions.tables import TableExtension
from markdown.inlinepatterns import AutomailInlineProcessor, LinkInlineProcessor, SimpleTagInlineProcessor
from markdown.treeprocessors import Treeprocessor

_LEVELS = {"h1": "h3", "h2": "h3", "h3": "h3", "h4": "h4", "h5": "h4", "h6": "h4"}


class _SpacedHeader(HashHeaderProcessor):
    RE = re.compile(r"(?:^|\n)(?P<level>#{1,6})[ \t]+(?P<header>[^\n]*?[^\n#])[ \t]*#*(?:\n|$)")


class _Levels(Treeprocessor):
    def run(self, root: Element) -> None:
        for element in root.iter():
            element.tag = _LEVELS.get(element.tag, element.tag)


def converter() -> Markdown:
    """A converter for this dialect; keep it, making one costs more than using it."""
    made = Markdown(extensions=["fenced_code", "sane_lists", "nl2br", TableExtension(use_align_attribute=True)])
    made.preprocessors.deregister("html_block")
    for name in ("html", "image_link", "image_reference", "short_image_ref"):
        made.inlinePatterns.deregister(name)
    made.parser.blockprocessors.register(_SpacedHeader(made.parser), "hashheader", 70)
    made.treeprocessors.register(_Levels(made), "levels", 15)
    made.inlinePatterns.register(LinkInlineProcessor(r"!\[", made), "picture", 150)
    made.inlinePatterns.register(AutomailInlineProcessor(r"<([^<> !@]+@[^@<> ]+)>", made), "automail", 110)
    for tag in ("sub", "sup", "del"):
        made.inlinePatterns.register(
            SimpleTagInlineProcessor(rf"(<{tag}>)([^<\n]{{1,200}})</{tag}>", tag), f"typed-{tag}", 95)
    made.inlinePatterns.register(SimpleTagInlineProcessor(r"(~~)([^~\n]{1,1000})~~", "del"), "del", 65)
    return made

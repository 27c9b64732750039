"""How templates are run: in one go. Nothing in them waits, and Jinja's asynchronous mode would cost half of a page's time
for asking every value whether it does."""

from __future__ import annotations

from typing import Any

from jinja2 import Template
from quart import Quart
from quart.templating import Environment


class _Template(Template):
    async def render_async(self, *args: Any, **values: Any) -> str:
        return self.render(*args, **values)


class Synchronous(Environment):
    """Quart's environment without the asynchronous mode; what templates show is gathered before they are run."""

    template_class = _Template

    def __init__(self, app: Quart, **options: Any) -> None:
        super().__init__(app, **options)
        self.is_async = False

"""The HTTP protocol of the server: uvicorn's, with a bound to what comes before the body, and to what comes after the answer."""

from __future__ import annotations

from asyncio import TimerHandle

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from core.telemetry import get_logger
from instance.following import STREAM

log = get_logger("server")
LIMIT = 16_384
"""The most bytes of request line and headers. A signed request has about one thousand."""
LINGER_SECONDS = 30.0
"""How long a body that was answered before its end is read on and thrown away. Browsers show the answer only when they have sent
all, or as much as they could: who hung up at once would show them a broken connection instead of what is wrong."""
_TOO_LARGE = (b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/problem+json\r\n"
              b"content-length: %d\r\nconnection: close\r\n\r\n%b")
_PROBLEM = (b'{"type": "urn:konsil:problem:head-too-large", "title": "Request line and headers have at most 16384 bytes.",'
            b' "status": 431}')


class BoundedHeads(HttpToolsProtocol):
    """Answers 431 and hangs up when request line and headers are larger than `LIMIT`; httptools itself would keep as much as
    somebody sends. What has come of a head is counted piece by piece; only a head of many bytes is counted exactly."""

    _come = 0
    _in_head = True
    _too_large = False
    _lingering: TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._come += len(data)
        super().data_received(data)
        if self._in_head and self._come > LIMIT and not self._too_large and not self.transport.is_closing():
            self._too_large = True
            self.send_400_response("")

    def on_headers_complete(self) -> None:
        self._in_head, come, self._come = False, self._come, 0
        if come > LIMIT and len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > LIMIT:
            self._too_large = True
            raise ValueError("the head is too large")  # ends the parser, which calls `send_400_response`
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head = True
        self._end_lingering()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._in_head and not self.transport.is_closing():
            self._end_lingering()
            self._lingering = self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def shutdown(self) -> None:
        """The server stops: what answers without an end is ended, everything else is finished."""
        super().shutdown()
        if self.cycle is not None and not self.cycle.response_complete and STREAM in self.cycle.scope:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_lingering()
        super().connection_lost(exc)

    def _end_lingering(self) -> None:
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None

    def send_400_response(self, msg: str) -> None:
        if not self._too_large:
            super().send_400_response(msg)
            return
        log.info("head too large", client=self.client[0] if self.client else "")
        self.transport.write(_TOO_LARGE % (len(_PROBLEM), _PROBLEM))
        self.transport.close()

"""A congress as a calendar file (iCalendar, RFC 5545): one event of whole days, with where it is and where to read on."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from posts.models import PostView
from posts.parts import Congress

CALENDAR = "text/calendar"


def calendar(post: PostView, congress: Congress, page: str) -> bytes:
    """The calendar file of a congress; `page` is the address of its page, `congress.link` goes before it. The last day belongs to
    the event, so it ends with the beginning of the next one (RFC 5545, section 3.6.1)."""
    from icalendar import Calendar, Event  # late: few processes ever need it

    event = Event()
    event.add("uid", post.uri)
    event.add("dtstamp", datetime.fromtimestamp((post.updated or post.published) // 1000, UTC))
    event.add("sequence", post.revision)
    event.add("summary", post.question)
    event.add("dtstart", date.fromisoformat(congress.starts))
    event.add("dtend", date.fromisoformat(congress.ends) + timedelta(days=1))
    if congress.place:
        event.add("location", congress.place)
    event.add("url", congress.link or page)
    made = Calendar()
    made.add("prodid", "-//Konsil//congresses//")
    made.add("version", "2.0")
    made.add_component(event)
    return bytes(made.to_ical())

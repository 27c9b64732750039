"""Reports from an app: always of posts, each for one of our reasons."""

from __future__ import annotations

from core.access import Access, Route
from core.clock import rfc3339
from core.errors import Conflict, InvalidInput
from instance.api import bodies
from instance.api.accounts import seen
from instance.api.entities import Report
from instance.api.entities_people import account
from instance.api.guard import doctor, writes_in
from instance.api.statuses import found
from instance.context import services
from posts.matters import Category

_MOST = 10
_OF_RULES = {"1": Category.RECOGNISABLE, "3": Category.FALSE}
"""The rules of `/api/v1/instance/rules` that are a reason by themselves."""
_OF_CATEGORIES = {"spam": Category.ADVERTISING, "legal": Category.SECRECY}


async def report() -> Report:
    """Report posts of somebody. The author's instance reads the comment where it is to be forwarded."""
    fields, me = await bodies.sent(), doctor()
    other = await seen(fields.text("account_id", 60))
    posts = [await found(one) for one in dict.fromkeys(fields.texts("status_ids", _MOST))]
    if not posts:
        raise InvalidInput("Choose the post that this is about: posts are reported here, not people.", field="status_ids")
    if any(post.author.id != other.id for post in posts):
        raise InvalidInput("This post was written by somebody else.", field="status_ids")
    comment, rules, sort = fields.text("comment", 20_000), fields.texts("rule_ids", 40), fields.text("category", 20, "other")
    category = next((_OF_RULES[rule] for rule in rules if rule in _OF_RULES), _OF_CATEGORIES.get(sort, Category.OTHER))
    share, language = fields.flag("forward"), writes_in()
    made: list[str] = []
    for post in posts:
        try:
            made.append(await services().reports.report(me.actor, post.id, category, comment, language, share=share))
        except Conflict:
            if post is posts[-1] and not made:
                raise
    return Report(
        id=made[0], category=sort if sort in (*_OF_CATEGORIES, "violation") else "other", comment=comment, forwarded=share,
        created_at=rfc3339(services().clock.ms()), status_ids=tuple(post.id for post in posts), rule_ids=rules,
        target_account=account(other))


ROUTES = (
    Route("/api/v1/reports", ("POST",), report, Access.CLIENT, scopes=("write:reports",), frees=True),
)

"""Scopes: a parent holds its parts, and nothing holds more than it says."""

from __future__ import annotations

import pytest

from actors.scopes import WORDS, covers, parse, within
from core.errors import InvalidInput


def test_a_parent_holds_its_parts_and_a_part_holds_itself_alone() -> None:
    assert covers(("read",), "read:statuses") and covers(("write",), "write:media")
    assert covers(("follow",), "read:mutes") and covers(("follow",), "write:blocks") and not covers(("follow",), "read:statuses")
    assert not covers(("read:statuses",), "read") and not covers(("read:statuses",), "read:accounts")
    assert not covers(("profile",), "read:accounts") and not covers(("read",), "profile") and not covers((), "read")
    for name in WORDS:
        assert covers((name,), name) and not covers(tuple(set(WORDS) - {name, name.partition(":")[0], "follow"}), name)


def test_a_list_is_read_in_order_and_says_each_once() -> None:
    assert parse("") == ("read",) and parse(" write:media  read read ") == ("write:media", "read")
    for wrong in ("admin:read", "admin", "read:everything", "READ", "crypto", "read,write"):
        with pytest.raises(InvalidInput) as raised:
            parse(f"read {wrong}")
        assert raised.value.reason == "invalid_scope"


def test_an_app_asks_for_no_more_than_it_has_said() -> None:
    assert within(("read:statuses",), ("read",)) and within(("read", "push"), ("push", "read"))
    assert not within(("read",), ("read:statuses",)) and not within(("write",), ("read", "follow"))

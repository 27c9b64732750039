"""The log says what happened and never what people wrote."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from core.errors import Misconfigured, Refused
from core.telemetry import configure, get_logger

pytestmark = pytest.mark.usefixtures("logs_restored")


def _lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_a_line_is_one_json_object_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    get_logger("inbox").info("activity.stored", sibling="https://fr.example", count=2)
    get_logger("inbox").debug("activity.detail")
    logging.getLogger("uvicorn").warning("late %s", "answer")
    own, foreign = _lines(capsys)
    assert (own["event"], own["logger"], own["level"], own["count"]) == ("activity.stored", "inbox", "info", 2)
    assert own["timestamp"].endswith("Z")
    assert (foreign["event"], foreign["logger"], foreign["level"]) == ("late answer", "uvicorn", "warning")


def test_a_line_that_cannot_be_written_is_lost_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full").open("w")  # noqa: SIM115  as a file on a disk that is full; closing it fails as well
    monkeypatch.setattr("sys.stderr", full)
    configure("info", "json")
    get_logger("inbox").error("refused")
    with pytest.raises(OSError, match="No space"):
        full.flush()
    with suppress(OSError):
        full.close()


def test_bodies_and_secrets_are_withheld_and_long_values_cut(capsys: pytest.CaptureFixture[str]) -> None:
    configure("debug", "json")
    get_logger("x").info("e", body="patient", password="patient", text="patient", raw=b"patient", note="p" * 5000,
                         parsed={"a": "p" * 5000})
    [line] = _lines(capsys)
    assert "patient" not in json.dumps(line)
    assert line["raw"] == "[7 bytes]" and line["body"] == "[withheld]"
    assert len(line["note"]) <= 501 and len(line["parsed"]) <= 501


def test_an_expected_failure_is_logged_with_both_voices(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    get_logger("x").info("refused", error=Refused("No.", reason="not-listed", cause="host evil.example"))
    [line] = _lines(capsys)
    assert (line["error"], line["reason"], line["cause"]) == ("No.", "not-listed", "host evil.example")


@pytest.mark.parametrize("format", ["json", "console"])
def test_a_traceback_carries_no_local_variables(capsys: pytest.CaptureFixture[str], format: str) -> None:
    configure("info", format)
    kept = "".join(["pat", "ient"])
    try:
        raise ValueError(len(kept))
    except ValueError:
        get_logger("x").exception("broken")
    written = capsys.readouterr().err
    assert "ValueError: 7" in written and kept not in written


@pytest.mark.parametrize(("level", "format"), [("loud", "json"), ("", "json"), ("info", "xml"), ("info", "")])
def test_an_unknown_mode_refuses_to_start(level: str, format: str) -> None:
    with pytest.raises(Misconfigured):
        configure(level, format)

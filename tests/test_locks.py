"""A database is open to many, or to one who puts another in its place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import Conflict, Misconfigured, Unavailable
from core.locks import alone, restoring, share


def test_many_share_and_one_alone_shares_with_nobody(tmp_path: Path) -> None:
    path = tmp_path / "konsil.db"
    with share(path), share(path), pytest.raises(Conflict, match="is running"), alone(path):
        pass
    with alone(path):
        with pytest.raises(Unavailable) as refused:
            share(path)
        assert refused.value.retry_after
        with pytest.raises(Conflict), alone(path):
            pass
    share(path).close()


def test_a_process_that_dies_gives_it_back(tmp_path: Path) -> None:
    path = tmp_path / "konsil.db"
    code = ("import sys, time; from pathlib import Path; from core.locks import share; held = share(Path(sys.argv[1]));"
            " print(1, flush=True); time.sleep(60)")
    root = Path(__file__).parent.parent
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, cwd=root) as holds:
        assert holds.stdout is not None and holds.stdout.readline() == b"1\n"
        with pytest.raises(Conflict), alone(path):
            pass
        holds.kill()
        holds.wait()
        with alone(path):
            pass


def test_nobody_opens_what_is_half_restored(tmp_path: Path) -> None:
    path = tmp_path / "konsil.db"
    restoring(path).touch()
    with pytest.raises(Misconfigured, match="stopped halfway"):
        share(path)
    with alone(path):
        pass

"""Passwords, sealed keys and tokens: what opens, and everything that must not."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from core import vault
from core.errors import InvalidInput, Misconfigured
from core.vault import KeyVault, hash_password, needs_rehash, token, token_hash, verify_password


def test_only_the_right_password_opens() -> None:
    hashed = hash_password("korrekt Pferd Batterie")
    assert hashed.startswith("$argon2id$") and "Pferd" not in hashed
    assert verify_password(hashed, "korrekt Pferd Batterie")
    for wrong in ("", "korrekt Pferd", "Korrekt Pferd Batterie", "korrekt Pferd Batterie ", "x" * 100_000, "\ud800"):
        assert not verify_password(hashed, wrong)


def test_a_hash_nobody_can_read_opens_to_nobody() -> None:
    for hashed in ("", "plain", "$argon2id$v=19$m=1", "$2b$12$abcdefghijklmnopqrstuv"):
        assert not verify_password(hashed, "plain")


def test_an_umlaut_is_the_same_however_the_keyboard_sends_it() -> None:
    assert verify_password(hash_password("Tübingen-2026"), "Tu\u0308bingen-2026")


@pytest.mark.parametrize("password", ["", "x" * 1025, "ü" * 600, "\udc00"])
def test_a_password_that_cannot_be_used_is_refused(password: str) -> None:
    with pytest.raises(InvalidInput):
        hash_password(password)


def test_a_hash_with_weaker_parameters_asks_to_be_renewed() -> None:
    assert not needs_rehash(hash_password("korrekt Pferd"))
    assert needs_rehash(PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash("korrekt Pferd"))


def test_an_unknown_account_costs_the_same_work_as_a_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[tuple[str, bool]] = []

    def watched(hashed: str, password: str) -> bool:
        checked.append((hashed, verify_password(hashed, password)))
        return checked[-1][1]

    monkeypatch.setattr(vault, "verify_password", watched)
    vault.verify_nobody("any password")
    [(hashed, opened)] = checked
    assert not opened and not needs_rehash(hashed)


def test_a_sealed_key_opens_with_its_key_file_and_its_context_only(tmp_path: Path) -> None:
    first, second = KeyVault.create(tmp_path / "one.key"), KeyVault.create(tmp_path / "two.key")
    sealed = first.seal(b"private", "instance-key")
    assert b"private" not in sealed and first.seal(b"private", "instance-key") != sealed
    assert KeyVault(tmp_path / "one.key").open(sealed, "instance-key") == b"private"
    for other, box, context in ((second, sealed, "instance-key"), (first, sealed, "other-key"),
                                (first, b"", "instance-key"), (first, sealed[:10], "instance-key"),
                                (first, b"\x02" + sealed[1:], "instance-key")):
        with pytest.raises(Misconfigured):
            other.open(box, context)


def test_every_changed_byte_of_a_sealed_key_is_noticed(tmp_path: Path) -> None:
    key_vault = KeyVault.create(tmp_path / "key")
    sealed = key_vault.seal(b"private", "instance-key")
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(Misconfigured):
            key_vault.open(bytes(changed), "instance-key")


def test_a_key_file_is_its_owners_alone_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    KeyVault.create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    with pytest.raises(Misconfigured, match="already"):
        KeyVault.create(path)
    assert path.read_bytes() == before and len(before) == 32
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Misconfigured):
        KeyVault.create(tmp_path / "link")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_a_key_file_open_to_others_refuses_to_start(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secret.key"
    KeyVault.create(path)
    path.chmod(mode)
    with pytest.raises(Misconfigured, match="others"):
        KeyVault(path)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_file_of_the_wrong_size_refuses_to_start(tmp_path: Path, size: int) -> None:
    path = tmp_path / "secret.key"
    path.write_bytes(bytes(size))
    path.chmod(0o600)
    with pytest.raises(Misconfigured, match="32 bytes"):
        KeyVault(path)


def test_a_missing_key_file_or_directory_refuses_and_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"secret\.key"):
        KeyVault(tmp_path / "secret.key")
    with pytest.raises(Misconfigured, match="cannot be made"):
        KeyVault.create(tmp_path / "nowhere" / "secret.key")


def test_tokens_are_256_random_bits_and_only_their_hash_is_kept() -> None:
    made = {token() for _ in range(1000)}
    assert len(made) == 1000 and all(len(one) == 43 for one in made)
    one = made.pop()
    assert len(token_hash(one)) == 32 and token_hash(one) == token_hash(one) != token_hash(made.pop())
    assert len(token_hash("\ud800")) == 32

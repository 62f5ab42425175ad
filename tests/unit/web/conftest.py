"""Panels for tests of the web part."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from appliance.security import passwords, sealedfile
from appliance.web.app import Panel
from tests.unit.web.world import Caller, World, callers, fill, make_world


@pytest.fixture
def _cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Argon2 cost next to nothing: a panel is logged in to six times before its test begins."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, hash_len=32, salt_len=16)
    monkeypatch.setattr(passwords, "_hasher", cheap)


@pytest.fixture
def _cheap_backups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a backup's pass-phrase cost little."""
    monkeypatch.setattr(sealedfile, "MEMORY_KIB", 8 * 1024)
    monkeypatch.setattr(sealedfile, "PASSES", 1)


@pytest.fixture
def fresh(tmp_path: Path, certificates: Path) -> Iterator[World]:
    """Return another device that nobody has claimed."""
    shutil.copytree(certificates, tmp_path / "other" / "tls")
    with make_world(tmp_path / "other") as made:
        made.parts.certificates.open()
        yield made


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an authority and leaves: making RSA keys takes a second, too long for each test."""
    folder = tmp_path_factory.mktemp("certificates")
    with make_world(folder) as made:
        made.parts.certificates.open()
    return folder / "tls"


@pytest.fixture
def world(tmp_path: Path, certificates: Path, _cheap_passwords: None) -> Iterator[World]:
    """Return an unclaimed panel's parts."""
    shutil.copytree(certificates, tmp_path / "data" / "tls")
    with make_world(tmp_path / "data") as made:
        made.parts.certificates.open()
        yield made


@pytest.fixture
def visitors(world: World) -> dict[str, Caller]:
    """Return callers of a claimed panel with six frames, by who they are."""
    world.claim()
    fill(world)
    return callers(Panel(world.parts), world)

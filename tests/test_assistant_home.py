"""The home folder: private, versioned, one process at a time."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from assistant.home import Home
from stores.errors import StoreUnavailable


def test_a_second_opening_is_told_that_it_is_in_use(tmp_path: Path) -> None:
    first = Home(tmp_path / "home")
    with pytest.raises(StoreUnavailable, match="in use"):
        Home(tmp_path / "home")
    first.close()
    Home(tmp_path / "home").close()


def test_a_newer_home_is_not_touched(tmp_path: Path) -> None:
    Home(tmp_path).close()
    (tmp_path / "version").write_text("99\n")
    with pytest.raises(StoreUnavailable, match="newer version"):
        Home(tmp_path)
    (tmp_path / "version").write_text("1\n")
    Home(tmp_path).close()  # the refusal let go of the lock


def test_a_file_in_the_way_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="cannot be used"):
        Home(tmp_path / "file" / "home")


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_only_its_owner_may_look(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700
    home.close()

"""What stands in the place of a file: devices, pipes and folders are refused, links written through, none replaced."""

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from not_files import KINDS, foreign

import vanishlab as vl
from vanishlab.files import irregular, open_arrays, output_file, output_folder, write_whole

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no devices and pipes among the files of Windows")


def state(path: Path) -> tuple[object, ...]:
    found = path.lstat()
    return found.st_ino, found.st_mode, found.st_rdev, path.readlink() if path.is_symlink() else None


@foreign
def test_what_is_no_regular_file_is_refused_and_stays(tmp_path: Path, foreign: Callable[[Path], None]) -> None:
    path = tmp_path / "out"
    foreign(path)
    before = state(path)
    wanted = rf"^file to be written must be a regular file, got '.*out' \({KINDS[foreign]}\)$"
    for write in (output_file, lambda path: write_whole(path, lambda file: file.write(b"x"))):
        with pytest.raises(vl.InputError, match=wanted):
            write(path)
    with pytest.raises(vl.InputError, match=r"^out must be a regular file, got"):
        output_folder(tmp_path, "fine", "out")
    with pytest.raises(vl.InputError, match=rf"^it is no regular file \({KINDS[foreign]}\)$"), open_arrays(path):
        pass
    assert state(path) == before and [each.name for each in tmp_path.iterdir()] == ["out"]


def test_the_machines_own_devices_stay_what_they_are(tmp_path: Path) -> None:
    for name in filter(os.path.exists, ("/dev/full", "/dev/null")):
        before = state(Path(name))
        with pytest.raises(vl.InputError, match=rf"^out must be a regular file, got '{name}' \(a device\)$"):
            output_file(Path(name), "out")
        with pytest.raises(vl.InputError, match=r"\(a device\)$"):
            write_whole(Path(name), lambda file: file.write(b"x"))
        assert state(Path(name)) == before


def test_a_link_stays_and_its_target_is_written(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for number, target in enumerate((elsewhere / "old", Path("elsewhere/new"))):  # there already, and not yet
        if number == 0:
            target.write_bytes(b"old")
        link, second = tmp_path / f"link{number}", tmp_path / f"second{number}"
        link.symlink_to(target)
        second.symlink_to(link.name)
        assert write_whole(second, lambda file: file.write(b"written")) == second
        assert second.is_symlink() and link.is_symlink()
        assert (tmp_path / target).read_bytes() == second.read_bytes() == b"written"
    assert sorted(path.name for path in elsewhere.iterdir()) == ["new", "old"]


def test_a_link_to_nowhere_is_told_by_the_folder_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("missing/file")
    with pytest.raises(vl.InputError, match="^folder of a file to be written must exist, got '.*missing'$"):
        write_whole(tmp_path / "link", lambda file: file.write(b"x"))


def test_a_failed_write_through_a_link_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/file").write_bytes(b"old")
    (tmp_path / "link").symlink_to("folder/file")

    def fail(file: object) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_whole(tmp_path / "link", fail)
    assert (tmp_path / "link").read_bytes() == b"old" and len(list((tmp_path / "folder").iterdir())) == 1


def test_a_regular_file_and_nothing_at_all_are_fine(tmp_path: Path) -> None:
    assert irregular(tmp_path / "nothing") == ""
    assert output_file(write_whole(tmp_path / "file", lambda file: file.write(b"x"))) == tmp_path / "file"
    assert output_folder(tmp_path, "file", "nothing") == tmp_path
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_write_that_fails_names_its_file(tmp_path: Path) -> None:
    def fill(file: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left") as error:
        write_whole(tmp_path / "file", fill)
    assert error.value.filename == str(tmp_path / "file") and not any(tmp_path.iterdir())

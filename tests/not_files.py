"""What may stand in the place of a file and is none: makers of each kind, and what the lab calls it."""

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest


def a_folder(path: Path) -> None:
    path.mkdir()


def a_full_folder(path: Path) -> None:
    path.mkdir()
    (path / "something").touch()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)  # the names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(before)


def a_device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 7))  # of its own: nothing happens to the machine's /dev/full
    except PermissionError:
        pytest.skip("only root can make a device")


def a_link_to_a_device(path: Path) -> None:
    path.symlink_to(os.devnull)


def a_link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def a_link_to_a_folder(path: Path) -> None:
    path.symlink_to(path.parent, target_is_directory=True)


KINDS: dict[Callable[[Path], None], str] = {
    a_folder: "a folder", a_full_folder: "a folder", a_pipe: "a named pipe", a_socket: "a socket",
    a_device: "a device", a_link_to_a_device: "a device", a_link_to_a_folder: "a folder",
    a_link_to_itself: "Too many levels of symbolic links",
}  # fmt: skip
foreign = pytest.mark.parametrize("foreign", KINDS, ids=lambda make: make.__name__)

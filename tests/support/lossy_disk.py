"""A disk that forgets what was not synced: a file system in a file, which is copied as it stands."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

__all__ = ["LossyDisk", "mounted"]

_SIZE = 256 * 2**20  # bytes; it is sparse
#: Names reach the disk within a second, contents when they are synced: a file that was not is found empty.
_OPTIONS = "loop,commit=1"


class LossyDisk:
    """An ext4 file system of its own, mounted at ``root``."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "disk"
        self._image, self._copy = folder / "disk.image", folder / "copy.image"
        self.root.mkdir()
        with self._image.open("wb") as file:
            file.truncate(_SIZE)
        _run("mkfs.ext4", "-q", "-F", str(self._image))
        self._mount()

    def lose_power(self) -> None:
        """Leaves what a machine would find there whose power had gone at this moment."""
        while True:  # until nothing was written beside the copying
            _run("cp", "--sparse=always", str(self._image), str(self._copy))
            if subprocess.run(["cmp", "-s", str(self._image), str(self._copy)], check=False).returncode == 0:
                break
        self.unmount()
        self._copy.replace(self._image)
        self._mount()

    def unmount(self) -> None:
        _run("umount", str(self.root))

    def _mount(self) -> None:
        _run("mount", "-o", _OPTIONS, str(self._image), str(self.root))


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[LossyDisk | None]:
    """A new disk, or none where this machine or user may not mount one."""
    disk = None
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("mkfs.ext4"):
        with contextlib.suppress(subprocess.CalledProcessError):
            disk = LossyDisk(folder)
    try:
        yield disk
    finally:
        if disk is not None:
            disk.unmount()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)

"""A disk that loses what was not synced: a file system in a file, which is copied while it is in use."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

_SIZE = 256 * 2**20  # bytes; the file is sparse
#: Names reach the disk within a second, contents when they are synced: an unsynced file becomes empty.
_OPTIONS = "loop,commit=1"


class LossyDisk:
    """An ext4 file system in a file, mounted at ``root``."""

    def __init__(self, folder: Path):
        self.root = folder / "disk"
        self._image, self._copy = folder / "disk.image", folder / "copy.image"
        self.root.mkdir()
        with self._image.open("wb") as file:
            file.truncate(_SIZE)
        _run("mkfs.ext4", "-q", "-F", str(self._image))
        self._mount()

    def lose_power(self) -> None:
        """Replace the file system by what a power failure at this moment would leave."""
        while True:  # until nothing was written during the copy
            _run("cp", "--sparse=always", str(self._image), str(self._copy))
            if subprocess.run(["cmp", "-s", str(self._image), str(self._copy)], check=False).returncode == 0:
                break
        self.unmount()
        self._copy.replace(self._image)
        self._mount()

    def unmount(self) -> None:
        """Unmount the file system."""
        _run("umount", str(self.root))

    def _mount(self) -> None:
        _run("mount", "-o", _OPTIONS, str(self._image), str(self.root))


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[LossyDisk | None]:
    """Yield a new disk, or None if this machine or user cannot mount one."""
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

"""Zip archives with other content, for tests of what reads them."""

import zipfile
from pathlib import Path


def rewritten(
    source: Path, target: Path, *added: tuple[str | zipfile.ZipInfo, bytes], without: tuple[str, ...] = ()
) -> Path:
    """Copy an archive without some entries and with further ones; return the copy."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if name not in without:
                new.writestr(name, old.read(name))
        for entry, data in added:
            new.writestr(entry, data)
    return target

"""Programs in a bundle: files of a SavedModel, which run as soon as somebody loads them."""

from __future__ import annotations

from pathlib import Path

from transferkit._types import PathLike
from transferkit.bundle.archive import opened
from transferkit.bundle.manifest import damaged

__all__ = ["unpack_programs"]


def unpack_programs(path: PathLike, into: Path) -> dict[str, Path]:
    """Write a bundle's programs into a folder; nothing of them is run.

    Each file is compared with its digest in the manifest, and none can leave the folder.

    Args:
        path: The bundle.
        into: An empty folder.

    Returns:
        The folder of each program by the program's digest, as the bundle has it.

    Raises:
        BundleNotFoundError: If there is no such file.
        ForeignBundleError: If it is something else than a bundle.
        NewerBundleError: If a newer transferkit wrote it.
        DamagedBundleError: If it was truncated or edited.
    """
    with opened(path) as archive:
        found = archive.manifest.programs
        for digest, files in found.items():
            for name, member in files.items():
                content = archive.read(member)
                try:
                    target = into / digest / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content)
                except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
                    what = f"the member {member!r} is a file and a folder"
                    raise damaged(archive.source, what) from error
    return {digest: into / digest for digest in found}

"""Programs that the server's account can run: where they are, or in a copy when they are hidden.

A virtual environment in /root is the common case: root sees it, nobody else does.
"""

import errno
import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

from .accounts import Account
from .binaries import Binaries
from .errors import EmbeddedServerError

CACHES = (Path("/var/cache/pgqueue"), Path("/var/tmp/pgqueue-programs"))  # noqa: S108 - see _cache
LEFT_OUT = shutil.ignore_patterns("include", "*.a", "pkgconfig", "man", "doc", "__pycache__")
TOO_WIDE = (Path("/"), Path("/usr"), Path("/usr/local"))


def reachable_binaries(
    binaries: Binaries, account: Account | None, caches: tuple[Path, ...] = CACHES
) -> Binaries:
    """The same programs in a place where the account can run them.

    That is where they are, or else a copy below /var/cache/pgqueue (or /var/tmp) which belongs to
    root and which nobody else can change. Raises EmbeddedServerError if neither runs.
    """
    if account is None or _runs(binaries, account):
        return binaries
    copy = _copied(binaries, caches)
    if _runs(copy, account):
        return copy
    raise EmbeddedServerError(
        f'The user "{account.name}" can run neither {binaries.program("postgres")} '
        f"nor the copy in {copy.directory}.\n"
        "PostgreSQL does not run as root, so its programs must be open to that user.\n"
        "Hint: set PGQUEUE_PG_BIN to programs which everybody may run, or run as an ordinary user."
    )


def _runs(binaries: Binaries, account: Account) -> bool:
    """Try it for real: mode bits say nothing of ACLs, mounts and libraries."""
    if account.barrier(binaries.directory) is not None:
        return False
    try:
        subprocess.run(
            [binaries.program("postgres"), "--version"],
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            cwd="/",
            capture_output=True,
            timeout=30,
            check=True,
        )
    except subprocess.SubprocessError:
        return False
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EINVAL):
            raise EmbeddedServerError(
                f'Cannot become the user "{account.name}": {error.strerror}.\n'
                "PostgreSQL does not run as root, and this container or sandbox does not let root "
                "change its user.\n"
                "Hint: run this as an ordinary user."
            ) from error
        return False
    return True


def _copied(binaries: Binaries, caches: tuple[Path, ...]) -> Binaries:
    root, parts = _parts(binaries.directory)
    made = binaries.program("postgres").stat().st_mtime_ns
    origin = f"{binaries.directory} {binaries.version} {made}"
    name = f"{binaries.version}-{hashlib.sha256(origin.encode()).hexdigest()[:12]}"
    copy = _cache(caches) / name
    if not _is_ours_alone(copy) or _listing(root, parts) != _listing(copy, parts):
        _replace(copy, root, parts)
    return replace(binaries, directory=copy / binaries.directory.relative_to(root))


def _parts(directory: Path) -> tuple[Path, list[Path]]:
    """What must be copied, relative to what: wheels keep shared libraries beside their package."""
    prefix, package = directory.parent, directory.parent.parent
    libraries = [package.parent / f"{package.name}.libs", package / ".dylibs"]
    wanted = [prefix / name for name in (directory.name, "lib", "lib64", "share")]
    if any(library.is_dir() for library in libraries):
        root, wanted = package.parent, wanted + libraries
    else:
        root = prefix
    if root in TOO_WIDE:
        raise EmbeddedServerError(
            f"The programs in {directory} are closed to the user that must run them.\n"
            "Hint: set PGQUEUE_PG_BIN to programs which everybody may run, "
            "or run as an ordinary user."
        )
    return root, [path.relative_to(root) for path in wanted if path.is_dir()]


def _cache(caches: tuple[Path, ...]) -> Path:
    """The first cache that can be made ours. In /var/tmp another user may have taken the name."""
    for cache in caches:
        if not cache.parent.is_dir():
            continue
        try:
            cache.mkdir(exist_ok=True)
            if _is_ours_alone(cache):
                cache.chmod(0o755)
                return cache
        except OSError:
            continue
    raise EmbeddedServerError(
        "The PostgreSQL programs must be copied to where an unprivileged user can run them, "
        f"but none of these can be used: {', '.join(map(str, caches))}.\n"
        "Hint: set PGQUEUE_PG_BIN to programs which everybody may run, or run as an ordinary user."
    )


def _is_ours_alone(directory: Path) -> bool:
    try:
        found = directory.lstat()
    except FileNotFoundError:
        return False
    others_write = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not others_write


def _listing(root: Path, parts: list[Path]) -> set[tuple[str, int]]:
    """Every file that belongs to the copy, with its size: cleaners of /var/tmp take some away."""
    listing = set()
    for part in parts:
        for folder, folders, files in os.walk(root / part):
            ignored = LEFT_OUT(folder, folders + files)
            folders[:] = [name for name in folders if name not in ignored]
            for name in set(files) - ignored:
                path = Path(folder, name)
                if path.exists():
                    listing.add((str(path.relative_to(root)), path.stat().st_size))
    return listing


def _replace(copy: Path, root: Path, parts: list[Path]) -> None:
    """Build beside the place and rename, so that nobody ever sees half a copy."""
    building = Path(tempfile.mkdtemp(prefix=".building-", dir=copy.parent))
    try:
        for part in parts:
            shutil.copytree(
                root / part, building / part, ignore=LEFT_OUT, ignore_dangling_symlinks=True
            )
        for folder, _, files in os.walk(building):
            Path(folder).chmod(0o755)
            for path in (Path(folder, name) for name in files):
                path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
        if copy.exists():
            copy.rename(building / ".replaced")
        building.rename(copy)
        shutil.rmtree(copy / ".replaced", ignore_errors=True)
    except OSError:
        # Somebody else may have put the same copy there first; the caller tries whatever is there.
        shutil.rmtree(building, ignore_errors=True)
        if not _is_ours_alone(copy):
            raise

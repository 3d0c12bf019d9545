"""What there is to index: Python files of the standard library and of given folders."""

from __future__ import annotations

import os
import stat
import sysconfig
import tokenize
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LARGEST = 1_000_000
"""Bytes. What is longer was written by programs, and takes a parser long."""
LEFT_OUT = {"__pycache__", "site-packages", "dist-packages", "node_modules"}


@dataclass(frozen=True, slots=True)
class Document:
    """A file as it was read, under a name for people."""

    path: str
    text: str


@dataclass(slots=True)
class Corpus:
    """What was read, and how many files were passed over for which reason."""

    documents: list[Document] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    empty: list[Path] = field(default_factory=list)
    """Folders without any Python file."""

    @property
    def characters(self) -> int:
        return sum(len(document.text) for document in self.documents)


class Unfit(Exception):
    """Why a file cannot be a document."""


def standard_library() -> Path:
    """Where the running Python keeps its own modules."""
    return Path(sysconfig.get_path("stdlib"))


def read_corpus(folders: Sequence[Path]) -> Corpus:
    """Every Python file below the folders, each once, in the order of their names."""
    corpus = Corpus()
    seen: set[tuple[int, int]] = set()
    for folder in folders:
        paths = list(_python_files(folder, corpus.skipped))
        if not paths:
            corpus.empty.append(folder)
        for path in paths:
            try:
                found = path.stat()
                if (found.st_dev, found.st_ino) in seen:
                    continue
                seen.add((found.st_dev, found.st_ino))
                text = _read(path, found)
            except OSError:
                corpus.skipped["not readable"] += 1
            except Unfit as reason:
                corpus.skipped[str(reason)] += 1
            else:
                corpus.documents.append(Document(_name(path, folder), text))
    return corpus


def _python_files(folder: Path, skipped: Counter[str]) -> Iterator[Path]:
    """Not below hidden folders, installed packages, caches and Python's own regression tests,
    unless that is where we begin.
    """
    tests = standard_library() / "test"

    def pass_over(_: OSError) -> None:
        skipped["not readable"] += 1

    for here, folders, files in os.walk(folder, onerror=pass_over):
        folders[:] = sorted(
            name
            for name in folders
            if name not in LEFT_OUT and name[0] != "." and Path(here, name) != tests
        )
        for name in sorted(files):
            if name.endswith(".py"):
                yield Path(here, name)


def _read(path: Path, found: os.stat_result) -> str:
    """The text, decoded as Python would. Raises Unfit and OSError."""
    if not stat.S_ISREG(found.st_mode):
        raise Unfit("no regular file")
    if found.st_size > LARGEST:
        raise Unfit(f"longer than {LARGEST:,} bytes")
    try:
        with tokenize.open(path) as file:
            text = file.read()
        text.encode()
    except (SyntaxError, LookupError, ValueError):
        raise Unfit("not decodable") from None
    if "\0" in text:
        raise Unfit("with a NUL character, which PostgreSQL does not store")
    return text


def _name(path: Path, folder: Path) -> str:
    """The path within its folder, led by the folder's name; undecodable bytes written out."""
    name = Path(folder.resolve().name, path.relative_to(folder))
    return os.fsencode(name).decode(errors="backslashreplace").replace("\0", "")

"""What will happen to each document, decided beforehand by the hash of its path."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from .corpus import Document

FEWEST = 20
"""With fewer documents than this, some of what the demo shows would not happen."""


class Trouble(Enum):
    """How a document's job fails on purpose."""

    AT_FIRST = "at first"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Planned:
    """A document, and what is to go wrong with it."""

    document: Document
    trouble: Trouble | None
    is_rolled_back: bool


def plan(documents: Iterable[Document]) -> list[Planned]:
    """The documents in the order of their hashes. One transaction in twenty is rolled back; one
    job in twelve fails at first, one in three hundred always.
    """
    shuffled = sorted(documents, key=lambda document: _hash(document.path))
    return [_plan_one(number, document) for number, document in enumerate(shuffled)]


def _plan_one(number: int, document: Document) -> Planned:
    trouble = None
    if number % 300 == 13:
        trouble = Trouble.ALWAYS
    elif number % 12 == 5:
        trouble = Trouble.AT_FIRST
    return Planned(document, trouble, is_rolled_back=number % 20 == 9)


def _hash(path: str) -> bytes:
    return hashlib.sha256(path.encode()).digest()

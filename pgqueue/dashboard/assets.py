"""Style, script and vendored libraries: the files of a fixed list, read once."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import NamedTuple

TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
FILES = (
    "dashboard.css",
    "figures.css",
    "dashboard.js",
    "jobs.css",
    "jobs.js",
    "charts.js",
    "icon.svg",
    "vendor/htmx-4.0.1.min.js",
    "vendor/uplot-1.6.32.min.js",
    "vendor/uplot-1.6.32.min.css",
)


class Asset(NamedTuple):
    body: bytes
    media_type: str
    version: str


@cache
def assets() -> dict[str, Asset]:
    """All of them by name. The version is a digest, so that a browser may keep a file for ever."""
    static = files(__package__).joinpath("static")
    found = {}
    for name in FILES:
        body = static.joinpath(name).read_bytes()
        kind = TYPES[name.rpartition(".")[2]]
        found[name] = Asset(body, kind, hashlib.sha256(body).hexdigest()[:12])
    return found

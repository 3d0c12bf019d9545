"""What others wrote is what they published, and stands here with its licence."""

import hashlib
import re
from pathlib import Path

ROOT = Path(__file__).parents[2] / "pgqueue/dashboard"
VENDORED = {
    "htmx-4.0.1.min.js": "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130",
    "htmx-LICENSE.txt": "d3d2456f76414f2456104660ebd65aff1c04cd7966b942bdabd63f3cdb316a38",
    "uplot-1.6.32.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "uplot-1.6.32.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uplot-LICENSE.txt": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}
"""SHA-256 of the files of htmx.org 4.0.1 and uplot 1.6.32 as their makers publish them."""


def test_vendored_files_are_those_that_were_published() -> None:
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (ROOT / "static/vendor").iterdir()
    }
    assert found == VENDORED


def test_nothing_comes_from_elsewhere_and_nothing_is_inline() -> None:
    for path in [*ROOT.glob("templates/**/*.html"), *ROOT.glob("static/*.*")]:
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//cdn", text), path.name
        if path.suffix == ".html":
            assert not re.search(r"<script(?![^>]*\bsrc=)", text), path.name
            assert not re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:", text), path.name
            assert "|safe" not in text, path.name
        if path.suffix == ".js":
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|eval\(", text), path.name

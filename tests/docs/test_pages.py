"""Every code block of the documentation works."""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.page import Page

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LANGUAGES = {
    "python": "run",
    "sql": "run",
    "console": "run",
    "sh": "set-up that make targets and the CI run, or commands for a server of the reader's",
    "text": "output and pictures",
    "ini": "configuration of other programs",
    "toml": "configuration of other programs",
    "yaml": "configuration of other programs",
    "dockerfile": "configuration of other programs",
}
FENCE = re.compile(r"^ *```(\w*)", re.MULTILINE)
INVISIBLE = re.compile(r"<!-- invisible-code-block: .*?^-->", re.MULTILINE | re.DOTALL)
SET_UP = re.compile(r"CREATE (TABLE|INDEX|ROLE)|enqueue_now|run_worker|worker\.run")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@pytest.fixture
def page(dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """A page on a database and in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="pgqueue-docs-", dir="/tmp"))
    if os.geteuid() == 0:
        folder.chmod(0o711)  # a server that root starts does not run as root
    page = Page(dsn, folder)
    for name, value in page.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield page
    page.close()
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in PAGES
        if re.search(
            r"^ *(```|<!-- invisible-code-block: )(python|sql|console)", path.read_text(), re.M
        )
    ],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_every_block_works(page: Page, path: Path) -> None:
    assert page.run(path) > 0


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for link in LINK.findall(text):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        target, _, anchor = link.partition("#")
        found = (path.parent / target).resolve() if target else path
        assert found.exists(), f"{link} in {path.relative_to(ROOT)} leads nowhere"
        if anchor:
            assert anchor in anchors(found), f"{link} in {path.relative_to(ROOT)}: no such heading"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_block_says_what_it_is(path: Path) -> None:
    opening = FENCE.findall(path.read_text(encoding="utf-8"))[::2]
    assert set(opening) <= set(LANGUAGES), "a block without a known language would not be tested"


def test_what_a_how_to_needs_is_shown() -> None:
    """A reader who runs the blocks that are printed gets what the tests get."""
    for path in [*ROOT.glob("docs/how-to/*.md"), *ROOT.glob("docs/explanation/*.md")]:
        if path.name == "incidents.md":  # its reader has an application, which is in trouble
            continue
        for block in INVISIBLE.findall(path.read_text(encoding="utf-8")):
            assert not SET_UP.search(block), f"{path.name} hides its set-up:\n{block}"


def test_every_how_to_ends_with_verify() -> None:
    for path in ROOT.glob("docs/how-to/*.md"):
        headings = re.findall(r"^## (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert headings[-1] == "Verify", path.name


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    for path in ROOT.glob("docs/**/*.md"):
        name = path.relative_to(ROOT / "docs").as_posix()
        assert name == "index.md" or f"({name})" in index, f"{name} cannot be found from index.md"


def test_the_readme_stays_readable() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 210


def anchors(path: Path) -> set[str]:
    """The headings of a page as they are linked to."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}

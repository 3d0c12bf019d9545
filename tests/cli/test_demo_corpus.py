"""What the demo indexes, what it counts, and what it plans to go wrong."""

import os
from pathlib import Path

from pgqueue.cli.demonstration.corpus import Document, read_corpus
from pgqueue.cli.demonstration.counting import Counts, count
from pgqueue.cli.demonstration.plan import FEWEST, Trouble, plan


def test_the_corpus_leaves_out_what_cannot_be_a_document(tmp_path: Path) -> None:
    def write(name: str, content: bytes) -> None:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)

    write("good.py", b"a = 1\r\n")
    write("latin.py", "# coding: latin-1\n'ä'\n".encode("latin-1"))
    write("no_text.py", b"\xff\xfe")
    write("no_codec.py", b"# coding: klingon\n")
    write("surrogate.py", b"# coding: unicode_escape\n'\\ud800'\n")
    write("nul.py", b"'\0'\n")
    write("long.py", b"#" * 1_000_001)
    write("letter.txt", b"dear")
    write(".hidden/hidden.py", b"")
    write("site-packages/installed.py", b"")
    (tmp_path / "dangling.py").symlink_to(tmp_path / "nowhere")
    (tmp_path / "twice.py").symlink_to(tmp_path / "good.py")
    os.mkfifo(tmp_path / "pipe.py")

    corpus = read_corpus([tmp_path])
    name = tmp_path.name
    assert corpus.documents == [
        Document(f"{name}/good.py", "a = 1\n"),
        Document(f"{name}/latin.py", "# coding: latin-1\n'ä'\n"),
    ]
    assert read_corpus([tmp_path, tmp_path]).documents == corpus.documents
    assert not corpus.empty
    assert corpus.skipped == {
        "not decodable": 3,
        "not readable": 1,
        "no regular file": 1,
        "longer than 1,000,000 bytes": 1,
        "with a NUL character, which PostgreSQL does not store": 1,
    }


def test_counts() -> None:
    assert count("") == Counts(0, 0, 0)
    assert count("import os\ndef f(a):\n    return a.b") == Counts(3, 6, 3)
    assert count("def (:\n").names is None


def test_the_fewest_documents_show_everything() -> None:
    planned = plan(Document(f"{number}.py", "") for number in range(FEWEST))
    assert sum(one.is_rolled_back for one in planned) == 1
    assert {one.trouble for one in planned if not one.is_rolled_back} == {None, *Trouble}
    assert plan(one.document for one in reversed(planned)) == planned

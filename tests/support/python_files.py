"""A small corpus for the demo."""

from pathlib import Path

FILES = 24


def write_corpus(folder: Path) -> Path:
    """A few Python files, of which one does not parse."""
    folder.mkdir()
    for number in range(FILES - 1):
        text = f"def f{number}(a, b):\n    return a + b + {number}\n" * (number + 1)
        (folder / f"module_{number}.py").write_text(text, encoding="utf-8")
    (folder / "broken.py").write_text("def broken(:\n", encoding="utf-8")
    return folder

"""Text that may hold anything, made safe for a terminal."""

from __future__ import annotations


def printable(text: object, *, lines: bool = False) -> str:
    """The text with everything invisible or active written as an escape.

    Control characters, ANSI sequences, bidirectional overrides and zero-width characters can move
    the cursor, hide text or turn it around. `lines` keeps line breaks and tabs.
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or (lines and character in "\n\t")
        else _escaped(character)
        for character in text
    )


def _escaped(character: str) -> str:
    short = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character)
    if short:
        return short
    number = ord(character)
    if number <= 0xFF:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"

"""The frozen SQL of each revision: run as it is, or printed as it is."""

from pathlib import Path

from pgqueue.migrations.errors import MigrationError

_SQL = Path(__file__).parent / "sql"


def revisions() -> tuple[str, ...]:
    """All revisions that this release knows, oldest first: each has a folder of SQL."""
    return tuple(sorted(folder.name for folder in _SQL.iterdir() if folder.is_dir()))


def resolve(name: str) -> str | None:
    """Turn "head", "base", an id or its number ("1", "0001") into a revision id; base is None."""
    known = revisions()
    if name == "head":
        return known[-1]
    if name == "base":
        return None
    full_name = f"pgqueue_{int(name):04}" if name.isascii() and name.isdecimal() else name
    if full_name not in known:
        raise MigrationError(
            f'There is no revision "{name}". Known: base, {", ".join(known)}, head.'
        )
    return full_name


def upgrade_sql(revision: str) -> list[str]:
    """The files that build the revision, in the order of their names."""
    return [
        file.read_text(encoding="utf-8") for file in sorted((_SQL / revision).glob("[0-9]*.sql"))
    ]


def downgrade_sql(revision: str) -> list[str]:
    """The file that takes the revision away again."""
    return [(_SQL / revision / "down.sql").read_text(encoding="utf-8")]


def run(texts: list[str]) -> None:
    """Run the texts in the current migration, or print them when it only writes SQL.

    Alembic's op.execute would take ":name" and "%" in the function bodies for placeholders.
    """
    from alembic import op

    context = op.get_context()
    for text in texts:
        if context.as_sql:
            context.impl.static_output(text)
        else:
            op.get_bind().exec_driver_sql(text, execution_options={"no_parameters": True})

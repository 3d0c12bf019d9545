"""Alembic's way in: the version table, and the connection or the text that the runner wants."""

from alembic import context

attributes = context.config.attributes

if context.is_offline_mode():
    context.configure(
        dialect_name="postgresql",
        output_buffer=attributes["output"],
        transaction_per_migration=True,
        version_table="schema_version",
        version_table_schema="pgqueue",
    )
    attributes["before"](context.get_context().impl.static_output)
    context.run_migrations()
    attributes["after"](context.get_context().impl.static_output)
else:
    context.configure(
        connection=attributes["connection"],
        version_table="schema_version",
        version_table_schema="pgqueue",
    )
    context.run_migrations()

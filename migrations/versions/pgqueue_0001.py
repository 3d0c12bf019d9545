"""The first data model: jobs, failures, queues, workers, their functions and views."""

from pgqueue.migrations.revision import downgrade_sql, run, upgrade_sql

revision = "pgqueue_0001"
down_revision = None


def upgrade() -> None:
    """Create everything."""
    run(upgrade_sql(revision))


def downgrade() -> None:
    """Drop everything, jobs included. The schema itself and its version table stay."""
    run(downgrade_sql(revision))

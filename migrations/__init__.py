"""The schema of pgqueue, made and changed by numbered revisions of frozen SQL."""

from pgqueue.migrations.errors import MigrationError
from pgqueue.migrations.runner import Status, Step, downgrade, sql, status, upgrade

__all__ = ["MigrationError", "Status", "Step", "downgrade", "sql", "status", "upgrade"]

"""The same work on the Python queues for PostgreSQL."""

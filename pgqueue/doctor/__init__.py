"""What is wrong with the queue in a database, and what to do about it."""

from .examination import CHECKS, Check, examine
from .finding import Finding

__all__ = ["CHECKS", "Check", "Finding", "examine"]

"""The process that claims jobs and runs them."""

from .process import run
from .worker import Worker

__all__ = ["Worker", "run"]

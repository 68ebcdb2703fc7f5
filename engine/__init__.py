"""Tidegate: an async, event-driven workflow engine."""

__version__ = "0.1.0"

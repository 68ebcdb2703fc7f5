"""More than one thing that is wrong with one value."""

from __future__ import annotations


class Several(ValueError):
    """Every cause for which a value is refused; each is told for itself."""

    def __init__(self, *causes: str) -> None:
        self.causes = causes
        super().__init__("; ".join(causes))


def causes(error: Exception) -> tuple[str, ...]:
    """Everything that an error says is wrong."""
    return error.causes if isinstance(error, Several) else (str(error),)

"""Where the project is, and what may lie beside it."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
SHARED = PROJECT.parent / "shared"
"""Real data and cases; tests that need them skip where it is absent."""
DATA = SHARED / "data"

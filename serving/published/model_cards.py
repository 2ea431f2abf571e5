"""Where a published version has its model card, as JSON and as Markdown."""

from pathlib import Path

CARD_JSON = Path("assets.extra") / "model_card.json"
CARD_MARKDOWN = Path("assets.extra") / "model_card.md"
CARD_FILES = (CARD_JSON, CARD_MARKDOWN)
"""The files of a model card; versions of older releases have none of them."""

"""Writes the generated files: `make docs.generate`."""

import json
from pathlib import Path

from pipeline.config.json_schema import editor_schema
from tools.docs.benchmarks import fill_tables
from tools.docs.reference import reference_page

_PROJECT = Path(__file__).parents[2]


def main() -> None:
    """Writes the schema for editors, the configuration reference, and the tables of the page on benchmarks."""
    schema = json.dumps(editor_schema(), indent=1, ensure_ascii=False) + "\n"
    (_PROJECT / "tfx_config/schema.json").write_text(schema, encoding="utf-8")
    (_PROJECT / "docs/configuration.md").write_text(reference_page(), encoding="utf-8")
    page = _PROJECT / "docs/benchmarks.md"
    page.write_text(
        fill_tables(page.read_text(encoding="utf-8"), _PROJECT / "docs/benchmark_results"), encoding="utf-8"
    )


if __name__ == "__main__":
    main()

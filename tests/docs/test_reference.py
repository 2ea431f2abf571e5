"""The configuration reference is what the code says."""

import re

from pipeline.config.json_schema import full_schema
from tests.paths import PROJECT
from tools.docs.reference import reference_page

PAGE = (PROJECT / "docs/configuration.md").read_text(encoding="utf-8")


def test_the_page_is_generated_from_the_models() -> None:
    assert reference_page() == PAGE, "run `make docs.generate`"


def test_every_key_of_every_model_has_a_row_with_a_meaning() -> None:
    schema = full_schema()
    keys = [key for node in (schema, *schema["$defs"].values()) for key in node["properties"]]
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \| (.+) \| (.+) \|$", PAGE, re.MULTILINE)
    assert len(keys) > 300
    assert sorted(key for key, *_ in rows) == sorted(keys)


def test_links_to_models_lead_somewhere() -> None:
    targets = set(re.findall(r"\]\(#(\w+)\)", PAGE))
    anchors = set(re.findall(r"\{#(\w+)\}", PAGE))
    assert len(targets) > 40
    assert targets - anchors == set()

from pathlib import Path

import reports
from reports.results import schema_text


def test_the_published_schema_is_the_models():
    published = Path(reports.__file__).with_name("results.schema.json").read_text(encoding="utf-8")
    assert published == schema_text(), "run: python -m reports.results > reports/results.schema.json"

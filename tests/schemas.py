"""The schemas of carseg's JSON documents, for the tests that make such documents."""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator

from documents import DOCS

SCHEMAS: dict[str, Any] = {
    path.name.removesuffix(".schema.json"): json.loads(path.read_text("utf-8"))
    for path in sorted((DOCS / "schemas").glob("*.schema.json"))
}


def validate(name: str, document: Any) -> None:
    """Raise ValidationError unless a document is what its schema says."""
    Draft202012Validator(SCHEMAS[name]).validate(document)

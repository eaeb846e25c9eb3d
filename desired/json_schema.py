"""The JSON Schema of a manifest, for editors: its tables, with what each key means."""

from __future__ import annotations

from typing import Any

from desired.meanings import MEANINGS
from desired.schema import ManifestTable


def json_schema() -> dict[str, Any]:
    """The tables as draft-07, which the common TOML editors understand."""
    found = ManifestTable.model_json_schema(ref_template="#/definitions/{model}")
    definitions = found.pop("$defs")
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", **found}
    cleaned: dict[str, Any] = _without_null({**schema, "definitions": definitions})
    for name, meanings in MEANINGS.items():
        table = cleaned["definitions"].get(name, cleaned)
        for key, meaning in meanings.items():
            table["properties"][key]["description"] = meaning
    return cleaned


def _without_null(schema: Any) -> Any:
    """The schema without pydantic's None, which TOML cannot write, and its defaults, not ours."""
    if isinstance(schema, list):
        return [_without_null(part) for part in schema if part != {"type": "null"}]
    if not isinstance(schema, dict):
        return schema
    cleaned = {
        key: _without_null(part)
        for key, part in schema.items()
        if key not in ("default", "title", "discriminator")
    }
    choices = cleaned.get("anyOf", ())
    if len(choices) == 1:
        return {**{key: part for key, part in cleaned.items() if key != "anyOf"}, **choices[0]}
    return cleaned

"""How an apply understood the manifest that it recorded, for those who meet the same one again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from desired.frozen import field, frozen
from desired.problem import Problem, Where


@frozen
class Understood:
    """That the recorded engine config is all that the sources desire, and what else they told."""

    program: str  # Which code understood it; another might not.
    digest: str  # Of the sources.
    config: str  # SHA-256 of the engine config.
    owners: Mapping[str, bool] = field(default_factory=dict)  # Those named, and who existed.
    warnings: tuple[Problem, ...] = ()


def of_record(said: Mapping[str, Any] | None) -> Understood | None:
    """What records that do not say it say of it; raises `TypeError` or `KeyError` for nonsense."""
    if said is None:
        return None
    warnings = (
        Problem(Where(**warning["where"]), **{k: v for k, v in warning.items() if k != "where"})
        for warning in said["warnings"]
    )
    return Understood(**{**said, "warnings": tuple(warnings)})

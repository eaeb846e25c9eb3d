"""The numbers as text, in the format that Prometheus reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from aimx.metrics.kinds import Metric, Number, Sample, written

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposed(metrics: Sequence[Metric], sums: Mapping[str, Sequence[Number]]) -> str:
    """Every metric, whether anything has been counted or not."""
    return "".join(line for metric in metrics for line in _lines(metric, sums[metric.name]))


def _lines(metric: Metric, numbers: Sequence[Number]) -> Iterator[str]:
    yield f"# HELP {metric.name} {_escaped(metric.help)}\n"
    yield f"# TYPE {metric.name} {metric.kind}\n"
    for sample in metric.samples(numbers):
        yield f"{metric.name}{sample.suffix}{_labels(sample)} {written(sample.number)}\n"


def _labels(sample: Sample) -> str:
    if not sample.labels:
        return ""
    pairs = (f'{name}="{_quoted(value)}"' for name, value in sample.labels)
    return f"{{{','.join(pairs)}}}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', '\\"')

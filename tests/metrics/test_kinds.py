import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from aimx.metrics.exposition import exposed
from aimx.metrics.kinds import Counter, Gauge, Histogram, Metric


def read(metric: Metric) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What Prometheus reads of it."""
    text = exposed([metric], {metric.name: metric.read()})
    (family,) = text_string_to_metric_families(text)
    assert family.documentation == metric.help
    return {(it.name, tuple(it.labels.items())): it.value for it in family.samples}


def test_a_counter_shows_all_that_was_announced() -> None:
    counter = Counter("a_total", "Of all.", colour=("red", "blue"))
    counter.count("red")
    counter.count("red", by=2)

    assert read(counter) == {
        ("a_total", (("colour", "red"),)): 3,
        ("a_total", (("colour", "blue"),)): 0,
    }


def test_what_was_not_announced_is_counted_as_other_and_makes_no_number_of_its_own() -> None:
    counter = Counter("a_total", "Of all.", colour=("red",))
    for stranger in range(1000):
        counter.count(f"colour {stranger}")

    assert len(counter) == 2
    assert read(counter)["a_total", (("colour", "other"),)] == 1000


def test_a_counter_of_two_labels_has_each_combination() -> None:
    counter = Counter("a_total", "Of all.", colour=("red", "blue"), size=("s", "l"))
    counter.count("red", "l")

    assert len(read(counter)) == 4
    assert read(counter)["a_total", (("colour", "red"), ("size", "l"))] == 1


def test_a_gauge_goes_up_and_down() -> None:
    gauge = Gauge("a", "Now.")
    gauge.set(5)
    gauge.set(2.5)

    assert read(gauge) == {("a", ()): 2.5}


@given(st.lists(st.floats(0, 100)))
def test_a_histogram_counts_each_value_into_every_bucket_that_holds_it(values: list[float]) -> None:
    histogram = Histogram("a_seconds", "How long.", (0.5, 1, 10))
    for value in values:
        histogram.observe(value)

    found = read(histogram)

    for bound, said in ((0.5, "0.5"), (1, "1"), (10, "10"), (float("inf"), "+Inf")):
        key = ("a_seconds_bucket", (("le", said),))
        assert found[key] == sum(value <= bound for value in values)
    assert found["a_seconds_count", ()] == len(values)
    assert found["a_seconds_sum", ()] == pytest.approx(sum(values))


def test_words_of_any_sort_are_read_back() -> None:
    gauge = Gauge("a", 'A \\ and\na "line".', version=())
    gauge.set(1, 'b\\c\n"d"')

    assert read(gauge) == {("a", (("version", 'b\\c\n"d"'),)): 1}

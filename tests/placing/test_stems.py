import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.placing.stems import Stems

BASE = "2026-01-02-030405-hello"


def stem(number: int) -> str:
    return BASE if number == 1 else f"{BASE}-{number}"


@given(
    files=st.sets(st.integers(1, 40)),
    bundles=st.sets(st.integers(1, 40)),
    wanted=st.integers(1, 20),
)
def test_no_stem_is_on_disk_already_or_given_out_twice(
    tmp_path_factory: pytest.TempPathFactory, files: set[int], bundles: set[int], wanted: int
) -> None:
    directory = tmp_path_factory.mktemp("mailbox")
    for number in files:
        (directory / f"{stem(number)}.md").touch()
    for number in bundles:
        (directory / stem(number)).mkdir()
    opened = os.open(directory, os.O_RDONLY)
    stems = Stems(opened)

    given_out = [stems.take(BASE) for _ in range(wanted)]
    os.close(opened)

    assert len(set(given_out)) == wanted
    assert not set(given_out) & {stem(number) for number in files | bundles}


@pytest.mark.parametrize("last", [0, 1, 2, 3, 7, 64, 100])
def test_the_numbers_go_on_where_they_ended(tmp_path: Path, last: int) -> None:
    for number in range(1, last + 1):
        (tmp_path / f"{stem(number)}.md").touch()
    opened = os.open(tmp_path, os.O_RDONLY)
    stems = Stems(opened)

    assert [stems.take(BASE), stems.take(BASE)] == [stem(last + 1), stem(last + 2)]
    os.close(opened)


def test_a_dangling_link_takes_its_name(tmp_path: Path) -> None:
    (tmp_path / f"{BASE}.md").symlink_to("nowhere")
    opened = os.open(tmp_path, os.O_RDONLY)

    assert Stems(opened).take(BASE) == f"{BASE}-2"
    os.close(opened)


def test_each_name_of_an_owner_who_takes_every_second_number_costs_little(
    tmp_path: Path,
) -> None:
    for number in range(2, 400, 2):
        (tmp_path / f"{stem(number)}.md").touch()
    opened = os.open(tmp_path, os.O_RDONLY)
    stems = Stems(opened)

    given_out = [stems.take(BASE) for _ in range(100)]

    assert len(set(given_out)) == 100
    os.close(opened)

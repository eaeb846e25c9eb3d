import pytest

from aimx.controller.amendments import MakeKey
from aimx.doors.socket import frames, headers
from aimx.doors.wish import Wish

ROOTS = {"config-dir": "/c", "data-dir": "/d", "manifest": "/m", "runtime-dir": "/r"}
EDIT = MakeKey("example.com", "aimx", force=True)


@pytest.mark.parametrize(
    ("verb", "wish"),
    [
        pytest.param("PLAN", Wish(ROOTS), id="nothing-unusual"),
        pytest.param("PLAN", Wish(ROOTS, "markdown", 132, color=True), id="form"),
        pytest.param("PLAN", Wish(ROOTS, advised=False, out="/tmp/plan"), id="to-be-saved"),
        pytest.param("APPLY", Wish(ROOTS, allow_removals=3, purge=True), id="removals"),
        pytest.param("APPLY", Wish(ROOTS, replace="dkim/example.com/aimx"), id="replacement"),
        pytest.param("APPLY", Wish(ROOTS, amendment=EDIT, parallelism=4), id="edit"),
        pytest.param("STATUS", Wish(ROOTS, every=True), id="every-resource"),
        pytest.param("STATUS", Wish(ROOTS, brief=True), id="brief"),
    ],
)
def test_a_wish_arrives_as_it_was_meant(verb: str, wish: Wish) -> None:
    lines = [f"AIMX/1 {verb}", *(f"{name}: {text}" for name, text in wish.headers().items())]

    assert headers.wish(frames.parse([line.encode() for line in lines])) == wish

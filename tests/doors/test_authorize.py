import pytest

from aimx.doors.authorize import Action, Caller, authorize

ROOT = Caller(uid=0, gid=0, pid=1)
ALICE = Caller(uid=1000, gid=1000, pid=2)
BOB = Caller(uid=1001, gid=1001, pid=3)


@pytest.mark.parametrize(
    ("caller", "action", "owner", "allowed"),
    [
        pytest.param(ROOT, Action.SYSTEM, None, True, id="root-administers"),
        pytest.param(ALICE, Action.SYSTEM, None, False, id="a-user-does-not-administer"),
        pytest.param(ALICE, Action.SYSTEM, 1000, False, id="an-owner-does-not-administer"),
        pytest.param(ALICE, Action.DOMAIN_CRUD, 1000, False, id="an-owner-changes-no-domain"),
        pytest.param(ALICE, Action.SEND_AS, 1000, True, id="an-owner-sends"),
        pytest.param(BOB, Action.SEND_AS, 1000, False, id="nobody-sends-as-another"),
        pytest.param(BOB, Action.SEND_AS, None, False, id="nobody-sends-as-no-mailbox"),
        pytest.param(ROOT, Action.SEND_AS, 1000, True, id="root-passes"),
        pytest.param(ALICE, Action.STEER, 1000, True, id="an-owner-steers-what-waits"),
        pytest.param(BOB, Action.STEER, 1000, False, id="nobody-steers-anothers-mail"),
        pytest.param(BOB, Action.STEER, None, False, id="nobody-steers-no-mail"),
        pytest.param(ROOT, Action.STEER, None, True, id="root-steers"),
        pytest.param(BOB, Action.QUEUE, None, True, id="anybody-may-ask-for-the-queue"),
        pytest.param(BOB, Action.STATUS, None, True, id="anybody-may-ask-for-the-state"),
    ],
)
def test_the_kernel_says_who_it_is_and_the_table_what_they_may(
    caller: Caller, action: Action, owner: int | None, allowed: bool
) -> None:
    assert authorize(caller, action, administrator=0, owner=owner).allowed is allowed


def test_the_user_of_a_rootless_instance_administers_it() -> None:
    assert authorize(ALICE, Action.SYSTEM, administrator=1000).allowed

from reconcilers.receipt import Outcome, Receipt, Tally
from reconcilers.report.progress import apply_text

DONE = Receipt("dkim/a.com/aimx#1", "dkim/a.com/aimx", Outcome.DONE)
FAILED = Receipt("mailbox/ops@a.com#1", "mailbox/ops@a.com", Outcome.FAILED, "the disk is full")
SKIPPED = Receipt("config#1", "config", Outcome.SKIPPED, "needs mailbox/ops@a.com")
LATER = Receipt("layout#1", "layout", Outcome.NOT_STARTED, "the apply was stopped")


def told(*receipts, seconds=1.23, generation=42):
    return apply_text(receipts, Tally.of(receipts, seconds, generation))


def test_a_complete_apply_is_one_line():
    assert (
        told(DONE, DONE) == "Apply complete: 1 done, 0 failed, 0 skipped in 1.2s. Generation 42.\n"
    )


def test_an_incomplete_one_says_what_is_not_done_and_what_to_do():
    assert told(DONE, FAILED, SKIPPED) == (
        "  FAILED mailbox/ops@a.com: the disk is full\n"
        "  skipped config: needs mailbox/ops@a.com\n"
        "Apply INCOMPLETE: 1 done, 1 failed, 1 skipped (needs mailbox/ops@a.com), 0 not started\n"
        "Correct what failed, then run `aimx apply` again: what is done stays done.\n"
    )


def test_a_resource_that_failed_is_told_once():
    rest = Receipt("mailbox/ops@a.com#2", FAILED.address, Outcome.SKIPPED, "needs itself")

    assert told(FAILED, rest).splitlines()[0] == "  FAILED mailbox/ops@a.com: the disk is full"
    assert told(FAILED, rest).splitlines()[1].startswith("Apply INCOMPLETE: 0 done, 1 failed")


def test_an_apply_that_was_stopped_counts_what_it_never_began():
    assert told(DONE, LATER) == (
        "Apply INCOMPLETE: 1 done, 0 failed, 0 skipped, 1 not started\n"
        "Run `aimx apply` again: what is done stays done.\n"
    )


def test_a_step_that_was_taken_back_is_not_counted_as_done():
    back = Receipt(DONE.step, DONE.address, Outcome.SKIPPED, "done, and taken back, since x failed")

    assert told(DONE, back).splitlines()[-2] == (
        "Apply INCOMPLETE: 0 done, 0 failed, 1 skipped (done, and taken back, since x failed),"
        " 0 not started"
    )

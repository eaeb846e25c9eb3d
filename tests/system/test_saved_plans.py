"""A saved plan and the daemon: the same as without one, and at its hands."""


def test_a_saved_plan_is_applied_by_the_daemon_once(instance, tmp_path):
    file = tmp_path / "next.plan"
    instance.declare("info@example.com", top='[controller]\nauto_apply = "none"')
    instance.apply()
    instance.serve()
    instance.declare(
        "info@example.com", "more@example.com", top='[controller]\nauto_apply = "none"'
    )

    planned = instance.aimx("plan", "--out", str(file))
    done = instance.aimx("apply", str(file))
    again = instance.aimx("apply", str(file))

    assert planned.returncode == 0, planned.stderr
    assert done.returncode == 0, done.stderr
    assert "Apply complete" in done.stdout
    assert instance.accepts("more@example.com")
    assert again.returncode == 3
    assert "was applied before" in again.stderr


def test_a_plan_that_is_stale_by_now_is_refused_by_the_daemon_with_its_reasons(instance, tmp_path):
    file = tmp_path / "next.plan"
    top = '[controller]\nauto_apply = "none"'
    instance.declare("info@example.com", top=top)
    instance.apply()
    instance.serve()
    instance.declare("info@example.com", "more@example.com", top=top)
    assert instance.aimx("plan", "--out", str(file)).returncode == 0
    instance.declare("info@example.com", "other@example.com", top=top)

    stale = instance.aimx("apply", str(file))
    file.write_bytes(file.read_bytes()[:-9])
    broken = instance.aimx("apply", str(file))

    assert stale.returncode == 3
    assert "mailbox/more@example.com: there is nothing to create any more" in stale.stderr
    assert broken.returncode == 1
    assert "damaged" in broken.stderr
    assert not instance.accepts("more@example.com")


def test_a_plan_made_without_the_daemon_is_applied_by_it(instance, tmp_path):
    file = tmp_path / "next.plan"
    top = '[controller]\nauto_apply = "none"'
    instance.declare("info@example.com", top=top)
    instance.apply()
    instance.declare("info@example.com", "more@example.com", top=top)
    assert instance.aimx("plan", "--out", str(file)).returncode == 0
    instance.serve()

    done = instance.aimx("apply", str(file))

    assert done.returncode == 0, done.stderr
    assert instance.accepts("more@example.com")

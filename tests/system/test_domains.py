"""A domain is added by a command while the daemon runs."""

INFO, ADDED = "info@example.com", "info@added.example"


def test_the_daemon_adds_a_domain_and_goes_on_with_it(instance, until):
    instance.declare(INFO)
    instance.serve()
    before = instance.manifest.read_text()

    shown = instance.aimx("domains", "add", "added.example", "--dry-run")
    kept = instance.manifest.read_text()
    done = instance.aimx("domain", "add", "added.example", "--yes")

    assert (shown.returncode, kept) == (0, before), shown.stderr
    assert "  + domain/added.example" in shown.stdout
    assert done.returncode == 0, done.stderr
    assert '"added.example"' in instance.manifest.read_text().partition("\n")[0]
    until(lambda: instance.has("Converged", "True"), "convergence")
    assert instance.status()["engine_generation"] == 2
    told = " ".join(instance.aimx("history", "show", "2").stdout.split())
    assert "through aimx domains add." in told


def test_a_domain_that_is_there_is_refused_by_the_daemon_and_mail_flows_on(instance, until):
    instance.declare(INFO)
    instance.serve()
    before = instance.manifest.read_text()

    refused = instance.aimx("domains", "add", "example.com", "--yes")

    assert refused.returncode == 1
    assert "domain 'example.com' is already configured" in refused.stderr
    assert instance.manifest.read_text() == before
    until(lambda: instance.accepts(INFO), "mail")

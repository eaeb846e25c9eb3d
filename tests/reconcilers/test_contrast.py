import pytest

from desired import manifest
from desired.problem import Source
from reconcilers.change import Field
from reconcilers.contrast import contrast

HEAD = 'domains = ["a.com"]\n'
INFO = '[mailboxes."info@a.com"]\nowner = "alice"\ntrust = "verified"\n'
HOOK = (
    '[[mailboxes."info@a.com".hooks]]\nname = "wake"\nevent = "on_receive"\ncmd = ["/bin/wake"]\n'
)


def desired(text):
    return manifest.read([Source("manifest.toml", text.encode())]).desired


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        pytest.param(HEAD, "# A comment.\n" + HEAD, [], id="a comment"),
        pytest.param(HEAD, HEAD + INFO, [], id="a mailbox has its own change"),
        pytest.param(
            HEAD,
            HEAD + '[smtp]\nidle_timeout = "5s"\nkeep_raw = true\n',
            [
                Field("smtp.idle_timeout", "5m", "5s"),
                Field("smtp.keep_raw", "false", "true"),
            ],
            id="settings",
        ),
        pytest.param(
            HEAD + INFO,
            HEAD + INFO + HOOK,
            [
                Field(
                    "mailboxes.info@a.com.hooks.wake",
                    "",
                    "event on_receive, cmd [/bin/wake], timeout 1m, fire_on_untrusted false,"
                    " fire_on_automated true",
                )
            ],
            id="a hook comes",
        ),
        pytest.param(
            HEAD + INFO + HOOK,
            HEAD + INFO + HOOK.replace("/bin/wake", "/bin/ring"),
            [Field("mailboxes.info@a.com.hooks.wake.cmd", "[/bin/wake]", "[/bin/ring]")],
            id="a hook changes",
        ),
        pytest.param(
            HEAD,
            'trusted_senders = ["*@b.com"]\n' + HEAD,
            [Field("domains.a.com.trusted_senders", "[]", "[*@b.com]")],
            id="a list",
        ),
    ],
)
def test_what_differs_is_told_setting_by_setting(before, after, told):
    assert list(contrast(desired(before), desired(after))) == told


def test_a_manifest_that_is_written_anew_does_not_fill_the_screen():
    mailboxes = [INFO.replace("info", f"m{number}") for number in range(100)]
    before, after = HEAD + "".join(mailboxes), HEAD + "".join(mailboxes).replace("verified", "none")

    assert len(contrast(desired(before), desired(after))) == 40

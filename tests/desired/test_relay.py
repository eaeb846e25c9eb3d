import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired.names import InvalidNameError
from desired.quantities import Endpoint
from desired.relay import Place, Relay, SecretReference


@pytest.mark.parametrize(
    ("text", "relay"),
    [
        ("smtps://me@h.example:465", Relay(Endpoint("h.example", 465), "me", implicit_tls=True)),
        ("smtps://me@h.example", Relay(Endpoint("h.example", 465), "me", implicit_tls=True)),
        ("smtp://me@x.example@h.example", Relay(Endpoint("h.example", 587), "me@x.example")),
        ("smtp://me%40x.example@h.example", Relay(Endpoint("h.example", 587), "me@x.example")),
        ("h.example:2525", Relay(Endpoint("h.example", 2525))),
        ("h.example", Relay(Endpoint("h.example", 25))),
        ("smtp://[::1]", Relay(Endpoint("::1", 25))),
        ("[::1]:26", Relay(Endpoint("::1", 26))),
    ],
)
def test_a_relay_is_written_in_few_ways(text, relay):
    assert Relay.parse(text) == relay
    assert Relay.parse(str(relay)) == relay


@pytest.mark.parametrize(
    "text", ["", "@h", "smtp://@h", "http://h", "h/x", "h:99999", "smtps://u@", "a b", "h\n:25"]
)
def test_anything_else_is_no_relay(text):
    with pytest.raises(InvalidNameError):
        Relay.parse(text)


def test_a_password_has_no_place_in_it_and_is_not_repeated():
    with pytest.raises(InvalidNameError, match="relay_password") as caught:
        Relay.parse("smtps://me:hunter2@h.example")

    assert "hunter2" not in str(caught.value)


@given(st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1))
def test_any_user_that_can_be_written_is_read_again(user):
    relay = Relay(Endpoint("h.example", 587), user)
    try:
        found = Relay.parse(str(relay))
    except InvalidNameError:
        assert ":" in user or not user.isprintable()
    else:
        assert found == relay


def test_a_secret_is_named_by_where_it_is():
    assert SecretReference.parse("file:/etc/x") == SecretReference(Place.FILE, "/etc/x")
    assert str(SecretReference.parse("env:RELAY_1")) == "env:RELAY_1"
    for text in ("hunter2", "file:x", "env:", "env:1", "env:A B", "file:/a\0b", "cmd:/bin/x"):
        with pytest.raises(InvalidNameError) as caught:
            SecretReference.parse(text)
        assert "hunter2" not in str(caught.value)

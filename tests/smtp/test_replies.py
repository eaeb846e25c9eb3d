import re

from aimx.smtp import replies
from aimx.smtp.replies import Reply

NAMED = {name: value for name, value in vars(replies).items() if isinstance(value, Reply)}


def test_every_reply_has_an_enhanced_code_of_its_class():
    wrong = {
        name
        for name, reply in NAMED.items()
        if reply.code != 354
        and not re.fullmatch(rf"{reply.code // 100}\.[0-7]\.[0-9]{{1,2}}", reply.enhanced)
    }

    assert not wrong


def test_no_two_replies_say_the_same():
    assert len(set(NAMED.values())) == len(NAMED)


def test_a_reply_of_several_lines_has_a_hyphen_but_in_the_last():
    reply = replies.hello("mx.example.com", "c.example", ("SIZE 1", "8BITMIME"))

    assert reply.encoded == b"250-mx.example.com Hello c.example\r\n250-SIZE 1\r\n250 8BITMIME\r\n"


def test_each_line_of_a_reply_of_several_lines_has_the_enhanced_code():
    assert Reply(550, "5.7.1", "one\ntwo").encoded == b"550-5.7.1 one\r\n550 5.7.1 two\r\n"


def test_a_line_is_cut_at_its_limit_between_two_characters():
    encoded = replies.unknown_recipient("ü" * 1000).encoded

    assert len(encoded) in {511, 512}
    assert encoded.endswith("ü\r\n".encode())

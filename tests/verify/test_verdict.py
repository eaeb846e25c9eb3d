import pytest

from aimx.verify.verdict import Dmarc, Signature, Spf, Verdicts


def verdicts(*words: str, dmarc: str = "none") -> Verdicts:
    signatures = tuple(Signature("example.com", "s", word, "") for word in words)
    return Verdicts(Spf("none", "", ""), signatures, Dmarc(dmarc, "", ""))


@pytest.mark.parametrize(
    ("words", "word"),
    [
        ("", "none"),
        ("pass", "pass"),
        ("fail pass", "pass"),
        ("temperror pass", "pass"),
        ("fail temperror", "temperror"),
        ("fail", "fail"),
        ("permerror", "fail"),
        ("policy", "fail"),
        ("neutral", "none"),
        ("neutral fail", "fail"),
    ],
)
def test_one_word_stands_for_all_signatures(words, word):
    assert verdicts(*words.split()).dkim_verdict == word


@pytest.mark.parametrize(
    ("word", "recorded"),
    [("none", "none"), ("pass", "pass"), ("temperror", "temperror"), ("permerror", "fail")],
)
def test_a_message_without_one_author_is_recorded_as_failing_dmarc(word, recorded):
    assert verdicts(dmarc=word).dmarc_verdict == recorded

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.channel.frames import (
    pack_opening,
    pack_replies,
    pack_request,
    unpack_replies,
    unpack_request,
)
from aimx.channel.packets import MalformedError
from aimx.channel.placing import Due, Folder, Opening, Outcome, Over, Reply, Request, Seen


def replace(request: Request, **changes: object) -> Request:
    return request._replace(**changes)  # type: ignore[arg-type]


PLAIN = Request(
    number=1,
    folder=Folder.INBOX,
    domain="a.example",
    name="info",
    uid=1000,
    base="2026-01-02-030405-hello",
    rest=b'message_id = "x"\n+++\n\nHello\n',
)
WITHOUT_SURROGATES = st.characters(exclude_categories=("Cs",), exclude_characters="/\0")
names = st.text(WITHOUT_SURROGATES, min_size=1, max_size=20).filter(lambda name: name[0] != ".")
dues = st.builds(
    Due,
    hooks=st.lists(names, min_size=1, max_size=3).map(tuple),
    facts=st.text(WITHOUT_SURROGATES, max_size=30).map(str.encode),
)
overs = st.builds(
    Over,
    origin=st.binary(min_size=32, max_size=32),
    seen=st.builds(
        Seen,
        inode=st.integers(0, 2**64 - 1),
        modified=st.integers(-(2**63), 2**63 - 1),
        size=st.integers(0, 2**64 - 1),
    ),
)
replacing = replace(PLAIN, fingerprint=b"1" * 32, base="")
requests = st.builds(
    Request,
    number=st.integers(0, 2**32 - 1),
    folder=st.sampled_from(Folder),
    domain=names,
    name=names,
    uid=st.integers(0, 2**32 - 1),
    base=st.text("0123456789-aé日", min_size=1, max_size=40),
    rest=st.none() | st.binary(max_size=100),
    fingerprint=st.none() | st.binary(min_size=32, max_size=32),
    attachments=st.lists(names, max_size=5, unique=True).map(tuple),
    due=st.none(),
    over=st.none(),
    trace=st.just(""),
) | st.builds(replace, st.just(PLAIN), fingerprint=st.just(b"1" * 32), due=dues)
requests |= st.builds(replace, st.just(replacing), over=overs, due=st.none() | dues)


@given(requests)
def test_a_request_is_read_back_as_it_was_written(request: Request) -> None:
    assert unpack_request(pack_request(request), request.descriptors) == request


@given(requests, st.data())
def test_a_request_cut_anywhere_is_malformed_or_lacks_only_content(
    request: Request, data: st.DataObject
) -> None:
    packed = pack_request(request)
    cut = packed[: data.draw(st.integers(0, len(packed) - 1))]

    try:
        read = unpack_request(cut, request.descriptors)
    except MalformedError:
        return
    assert isinstance(read, Request)
    assert replace(read, rest=request.rest) == request


@given(st.binary(max_size=200), st.integers(0, 3))
def test_no_bytes_raise_anything_but_malformed(payload: bytes, descriptors: int) -> None:
    for read in (lambda: unpack_request(payload, descriptors), lambda: unpack_replies(payload)):
        try:
            read()
        except MalformedError:
            continue


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"domain": ".."}, id="domain-above"),
        pytest.param({"domain": ".aimx"}, id="domain-of-ours"),
        pytest.param({"domain": ""}, id="no-domain"),
        pytest.param({"name": "../../etc"}, id="name-with-slash"),
        pytest.param({"name": "a\0b"}, id="name-with-nul"),
        pytest.param({"name": "."}, id="name-here"),
        pytest.param({"name": "x" * 256}, id="name-too-long"),
        pytest.param({"base": 'a"b'}, id="stem-with-quote"),
        pytest.param({"base": "a\\b"}, id="stem-with-backslash"),
        pytest.param({"base": "a\nb"}, id="stem-with-line-end"),
        pytest.param({"base": "a" * 201}, id="stem-too-long"),
        pytest.param({"attachments": ("x", "x")}, id="equal-attachments"),
        pytest.param({"attachments": ("a/b",)}, id="attachment-with-slash"),
        pytest.param({"attachments": ("",)}, id="attachment-without-name"),
        pytest.param({"due": Due(("tell",), b"")}, id="firing-without-fingerprint"),
        pytest.param({"due": Due((), b""), "fingerprint": b"1" * 32}, id="firing-of-no-hook"),
        pytest.param({"due": Due(("a/b",), b""), "fingerprint": b"1" * 32}, id="hook-with-slash"),
        pytest.param(
            {"due": Due(("tell",), b"x" * 50_000), "fingerprint": b"1" * 32}, id="long-facts"
        ),
        pytest.param(
            {"due": Due(("tell",), b"\xff"), "fingerprint": b"1" * 32}, id="facts-not-utf-8"
        ),
        pytest.param(
            {"attachments": tuple(f"{number}" for number in range(201))}, id="too-many-attachments"
        ),
    ],
)
def test_a_name_that_could_do_harm_is_neither_written_nor_read(changes: dict[str, object]) -> None:
    request = replace(PLAIN, **changes)  # type: ignore[arg-type]

    with pytest.raises(MalformedError):
        pack_request(request)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"base": "2026-hello"}, id="with-a-name"),
        pytest.param({"attachments": ("a",)}, id="with-attachments"),
        pytest.param({"fingerprint": None}, id="without-a-fingerprint"),
    ],
)
def test_what_takes_the_place_of_a_file_is_that_file_alone(changes: dict[str, object]) -> None:
    over = Over(b"2" * 32, Seen(1, 2, 3))

    with pytest.raises(MalformedError):
        pack_request(replace(replacing, over=over, **changes))


OPENING = Opening(7, Folder.SENT, "a.example", "info", 1000, b"3" * 32)


def test_an_opening_is_read_back_as_it_was_written() -> None:
    assert unpack_request(pack_opening(OPENING), 0) == OPENING


@pytest.mark.parametrize(
    ("payload", "descriptors"),
    [
        pytest.param(pack_opening(OPENING) + b"x", 0, id="more"),
        pytest.param(pack_opening(OPENING)[:-1], 0, id="less"),
        pytest.param(pack_opening(OPENING), 1, id="a-descriptor"),
    ],
)
def test_an_opening_with_anything_else_is_malformed(payload: bytes, descriptors: int) -> None:
    with pytest.raises(MalformedError):
        unpack_request(payload, descriptors)


def test_a_harmful_name_in_a_frame_is_malformed() -> None:
    packed = pack_request(PLAIN).replace(b"info", b"..//")

    with pytest.raises(MalformedError):
        unpack_request(packed, 0)


@pytest.mark.parametrize("descriptors", [0, 2])
def test_a_request_without_exactly_its_descriptors_is_malformed(descriptors: int) -> None:
    packed = pack_request(replace(PLAIN, attachments=("a.txt",)))

    with pytest.raises(MalformedError):
        unpack_request(packed, descriptors)


replies = st.lists(
    st.builds(
        Reply,
        number=st.integers(0, 2**32 - 1),
        outcome=st.sampled_from(Outcome),
        text=st.text(st.characters(exclude_categories=("Cs",)), max_size=20),
    ),
    max_size=5,
)


@given(replies)
def test_replies_are_read_back_as_they_were_written(several: list[Reply]) -> None:
    assert unpack_replies(pack_replies(several)) == several


def test_replies_that_are_cut_short_are_malformed() -> None:
    packed = pack_replies([Reply(1, Outcome.PLACED, "stem")])

    for length in range(1, len(packed)):
        with pytest.raises(MalformedError):
            unpack_replies(packed[:length])

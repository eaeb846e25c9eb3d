import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.metrics.pages import BUSY, Page, answer, encoded

PAGES = {page.path: page for page in (Page("/metrics", 200, "a 1\n"), Page("/readyz", 503, "no\n"))}


def got(request: bytes) -> tuple[int, dict[str, str], str]:
    head, _, text = answer(request, PAGES).decode().partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    version, code, _ = first.split(" ", 2)
    assert version == "HTTP/1.1"
    return int(code), dict(line.split(": ", 1) for line in lines), text


@pytest.mark.parametrize(
    ("request_line", "code", "text"),
    [
        pytest.param("GET /metrics HTTP/1.1", 200, "a 1\n", id="get"),
        pytest.param("GET /metrics HTTP/1.0", 200, "a 1\n", id="older"),
        pytest.param("GET /metrics?name=x HTTP/1.1", 200, "a 1\n", id="query"),
        pytest.param("GET http://mx:9025/metrics HTTP/1.1", 200, "a 1\n", id="whole-address"),
        pytest.param("GET /readyz HTTP/1.1", 503, "no\n", id="not-ready"),
        pytest.param("HEAD /metrics HTTP/1.1", 200, "", id="head"),
        pytest.param("HEAD /readyz HTTP/1.1", 503, "", id="head-not-ready"),
        pytest.param("GET /metricsX HTTP/1.1", 404, None, id="longer-path"),
        pytest.param("GET / HTTP/1.1", 404, None, id="root"),
        pytest.param("POST /x HTTP/1.1", 404, None, id="post-nowhere"),
        pytest.param("POST /metrics HTTP/1.1", 405, None, id="post"),
        pytest.param("DELETE /readyz HTTP/1.1", 405, None, id="delete"),
        pytest.param("GET /metrics", 400, None, id="http-0.9"),
        pytest.param("GET  /metrics HTTP/1.1", 400, None, id="two-spaces"),
        pytest.param("GET /metrics HTTP/2.0", 400, None, id="another-version"),
        pytest.param("", 400, None, id="nothing"),
    ],
)
def test_a_request_gets_its_page(request_line: str, code: int, text: str | None) -> None:
    found = got(f"{request_line}\r\nHost: mx\r\n\r\n".encode())

    assert found[0] == code
    assert text is None or found[2] == text
    assert found[1]["Connection"] == "close"
    if not request_line.startswith("HEAD"):
        assert int(found[1]["Content-Length"]) == len(found[2])


def test_a_request_of_http_1_1_without_a_host_is_malformed() -> None:
    assert got(b"GET /metrics HTTP/1.1\r\n\r\n")[0] == 400


def test_a_refused_method_is_told_which_ones_there_are() -> None:
    assert got(b"POST /metrics HTTP/1.1\r\nHost: a\r\n\r\n")[1]["Allow"] == "GET, HEAD"


@given(st.binary(max_size=200))
def test_whatever_is_asked_gets_an_answer_that_names_no_version_of_ours(asked: bytes) -> None:
    code, fields, _ = got(asked)

    assert code in {200, 400, 404, 405, 503}
    assert fields.keys() <= {
        "Content-Type",
        "Content-Length",
        "Cache-Control",
        "Connection",
        "Allow",
    }


def test_where_nobody_can_answer_that_is_said() -> None:
    assert encoded(BUSY).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")

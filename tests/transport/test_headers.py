"""Customers' headers: well-formed, and none that the contract or HTTP itself needs."""

import pytest

from statuspush.transport import InvalidHeader, validate_header
from statuspush.transport.headers import header_block


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", "Bearer abc.def"),
        ("X-Api-Key", ""),
        ("x", "a\tb"),
        ("X-Name", "caf\xe9"),
        ("!#$%&'*+-.^_`|~", "odd but legal"),
        ("Cookie", "a=b; c=d"),
        ("X-Webhook-Id", "only the prefix webhook- is reserved"),
    ],
)
def test_allowed(name, value):
    """These may be set, and go out unchanged."""
    validate_header(name, value)
    assert header_block([(name, value)]) == f"{name}: {value}\r\n".encode("latin-1")


@pytest.mark.parametrize(
    "name",
    [
        *("Host", "Content-Length", "Transfer-Encoding", "Connection", "Content-Type", "Accept"),
        *("Expect", "TE", "Upgrade", "Trailer", "Proxy-Authorization", "proxy-connection"),
        *("webhook-id", "Webhook-Signature", "X-Push-Attempt", "x-push-attempt", "HOST"),
        *("User-Agent", "Accept-Encoding", "Keep-Alive"),
    ],
)
def test_reserved(name):
    """The platform's own headers cannot be set, in any case of letters."""
    with pytest.raises(InvalidHeader) as caught:
        validate_header(name, "x")
    assert name in str(caught.value)
    assert name in caught.value.words.zh


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\n", "名", "a\x00", "(a)", "a\n"])
def test_bad_name(name):
    """A name must be a token."""
    with pytest.raises(InvalidHeader):
        validate_header(name, "x")
    with pytest.raises(InvalidHeader):
        header_block([(name, "x")])


@pytest.mark.parametrize("value", ["a\r\nB: c", "a\n", "\r", "a\x00b", "中文", "€"])
def test_bad_value(value):
    """No line breaks, no NUL, nothing outside latin-1; the value is not repeated."""
    with pytest.raises(InvalidHeader) as caught:
        validate_header("X-Test", value)
    assert value not in str(caught.value)
    with pytest.raises(InvalidHeader):
        header_block([("X-Test", value)])


@pytest.mark.parametrize("value", [" a", "a\t", "a\x01", "a\x7f", "a" * 4097])
def test_value_that_customers_may_not_set(value):
    """White space at the ends, control characters and very long values are refused too."""
    with pytest.raises(InvalidHeader):
        validate_header("X-Test", value)


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "Connection"])
def test_framing_is_the_transports_own(name):
    """Not even our own code can send a second framing header."""
    with pytest.raises(InvalidHeader):
        header_block([(name, "1")])

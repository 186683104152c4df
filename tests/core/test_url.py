"""URLs are read strictly: what is ambiguous is refused, what is meant is normalized."""

import pytest

from statuspush.core.errors import InputError
from statuspush.core.url import InvalidUrl, validate_url


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "target", "host_header"),
    [
        ("http://example.com", "http", "example.com", 80, "/", "example.com"),
        ("HTTPS://Example.COM/a?b=c#d", "https", "example.com", 443, "/a?b=c", "example.com"),
        ("http://example.com:80/", "http", "example.com", 80, "/", "example.com"),
        ("https://example.com:80/", "https", "example.com", 80, "/", "example.com:80"),
        ("http://example.com?x=1", "http", "example.com", 80, "/?x=1", "example.com"),
        ("http://example.com#x", "http", "example.com", 80, "/", "example.com"),
        ("http://example.com./", "http", "example.com", 80, "/", "example.com"),
        ("http://my_host:8080/%2e%2E//x", "http", "my_host", 8080, "/%2e%2E//x", "my_host:8080"),
        ("http://[::1]:81/", "http", "::1", 81, "/", "[::1]:81"),
        ("http://[2606:4700::0]/", "http", "2606:4700::", 80, "/", "[2606:4700::]"),
        ("http://8.8.8.8/", "http", "8.8.8.8", 80, "/", "8.8.8.8"),
        ("http://134744072/", "http", "8.8.8.8", 80, "/", "8.8.8.8"),
        ("http://0x08.010.8.8/", "http", "8.8.8.8", 80, "/", "8.8.8.8"),
        (
            "http://例子.测试/路径?键=值",
            "http",
            "xn--fsqu00a.xn--0zwm56d",
            80,
            "/%E8%B7%AF%E5%BE%84?%E9%94%AE=%E5%80%BC",
            "xn--fsqu00a.xn--0zwm56d",
        ),
        ("http://straße.de/", "http", "xn--strae-oqa.de", 80, "/", "xn--strae-oqa.de"),
        ("http://a.b/x@y:z", "http", "a.b", 80, "/x@y:z", "a.b"),
        ("http://a.b/?u=http://c@d/", "http", "a.b", 80, "/?u=http://c@d/", "a.b"),
    ],
)
def test_parts(url, scheme, host, port, target, host_header):
    """A good URL comes apart into exactly these pieces."""
    parsed = validate_url(url)
    assert (parsed.scheme, parsed.host, parsed.port) == (scheme, host, port)
    assert (parsed.target, parsed.host_header) == (target, host_header)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "//example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:25/",
        "javascript:alert(1)",
        "http:/example.com",
        "http:example.com",
        "http://",
        "http:///path",
        "http://:80/",
        "http://?x",
        "http://#x",
        "http://user@example.com/",
        "http://user:pass@example.com/",
        "http://@example.com/",
        "http://example.com@127.0.0.1/",
        "http://a:b@c:d@example.com/",
        "http://example.com\\@127.0.0.1/",
        "http:\\\\example.com/",
        "http://example.com/a\\b",
        "http://example.com/\r\nHost: evil",
        "http://example.com/\n",
        "http://example.com/a\tb",
        "http://exa\tmple.com/",
        "http://example.com/a b",
        " http://example.com/",
        "http://example.com/ ",
        "http://example.com/\x00",
        "http://example.com/\x7f",
        "http://example.com/\x85",
        "http://example.com/\u00a0",
        "http://example.com/\u2028",
        "http://example.com/\u3000",
        "http://exam\u200bple.com/",
        "http://exam\u202eple.com/",
        "http://exam\ufeffple.com/",
        "http://example.com/\ud800",
        "http://example.com:/",
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://example.com:99999999999/",
        "http://example.com:-1/",
        "http://example.com:+80/",
        "http://example.com:80a/",
        "http://example.com:8_0/",
        "http://example.com:８０/",
        "http://example.com:٨٠/",
        "http://example.com:80:80/",
        "http://exa%6dple.com/",
        "http://127.0.0.1%2f.example.com/",
        "http://exam!ple.com/",
        "http://a,b/",
        "http://a;b/",
        "http://-example.com/",
        "http://example-.com/",
        "http://a..b/",
        "http://.a/",
        "http://./",
        f"http://{'a' * 64}.com/",
        f"http://{'a.' * 127}com/",
        "http://[::1/",
        "http://[::1]x/",
        "http://[::1]:x/",
        "http://[]/",
        "http://[example.com]/",
        "http://[1.2.3.4]/",
        "http://[fe80::1%25eth0]/",
        "http://[fe80::1%eth0]/",
        "http://[v1.x]/",
        "http://::1/",
        "http://1.2.3.4.5/",
        "http://256.1.1.1/",
        "http://1.2.3.256/",
        "http://4294967296/",
        "http://1.16777216/",
        "http://0x/",
        "http://09.1.1.1/",
        "http://127.0.0.08/",
        "http://example.123/",
        "http://xn--a\u0378.com/",
        "http://a\u2044b.com/",
        "http://example.com\u2100.evil/",
        "http://example.com/" + "a" * 2048,
    ],
)
def test_refused(url):
    """A bad URL is refused, with a reason in both languages that does not repeat it."""
    with pytest.raises(InvalidUrl) as caught:
        validate_url(url)
    assert isinstance(caught.value, InputError)
    assert str(caught.value)
    assert caught.value.words.zh
    assert "pass" not in str(caught.value).replace("password", "")


@pytest.mark.parametrize(
    "host",
    [
        "１２７.０.０.１",
        "127。0。0。1",
        "127．0．0．1",
        "①②⑦.0.0.1",
        "127.0.0.1.",
        "0X7F.1",
        "𝟏𝟐𝟕.𝟎.𝟎.𝟏",
    ],
)
def test_unicode_spellings_of_an_address_become_that_address(host):
    """Digits and dots of other scripts cannot hide a numeric address from the guard."""
    try:
        parsed = validate_url(f"http://{host}/")
    except InvalidUrl:
        return  # refused is as good as recognized
    assert str(parsed.address) == "127.0.0.1"


def test_longest_url():
    """2048 characters are allowed, one more is not."""
    url = "http://example.com/".ljust(2048, "a")
    assert len(validate_url(url).target) == 2048 - len("http://example.com")
    with pytest.raises(InvalidUrl):
        validate_url(url + "a")

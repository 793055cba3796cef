import pytest

from core import hosts

ANY = hosts.allowed("hooks.internal, *.example.com, 10.0.0.5:8080, [fd00::1]")


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104 - nothing listens
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.1.1",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "2001:0:1::1",
        "2001:db8::1",
        "2002:c000:c0::1",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_an_address_within_somebodys_network_is_not_public(address: str) -> None:
    assert not hosts.is_public(address)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "172.15.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"],
)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert hosts.is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org",
        "https://example.org:8443/hook?shop=7",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]:8443/",
        "http://hooks.internal/x",
        "https://hooks.internal:9/",
        "http://a.example.com",
        "http://a.b.example.com:81",
        "http://10.0.0.5:8080/",
        "http://[fd00::1]/",
        "HTTP://Hooks.Internal/",
    ],
)
def test_events_may_be_told_to_what_is_public_or_allowed(url: str) -> None:
    hosts.check(url, ANY)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org/hook",
        "ftp://example.org",
        "file:///etc/passwd",
        "https://",
        "https:///hook",
        "https://example.org:0",
        "https://example.org:65536",
        "https://example.org:http",
        "https://user@example.org",
        "https://user:hush@example.org",
        "https://hooks.internal@example.org",
        "https://exa mple.org",
        "https://example.org/\r\nhost: x",
        "https://example.org\\@hooks.internal",
        "https://münchen.example",
        "https://[fe80::1%25eth0]/",
        "https://example.org/" + "x" * hosts.LONGEST_ADDRESS,
        "http://example.org",
        "http://example.com",
        "https://127.0.0.1",
        "https://[::1]",
        "https://169.254.169.254/latest",
        "http://10.0.0.5",
        "http://10.0.0.6:8080",
        "http://evilexample.com",
        "http://hooks.internal.evil.org",
    ],
)
def test_events_may_not_be_told_anywhere_else(url: str) -> None:
    with pytest.raises(ValueError, match=r"^expected an? "):
        hosts.check(url, ANY)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://Example.org", ("https", "example.org", 443, "/")),
        ("http://a:81?x=1#part", ("http", "a", 81, "/?x=1")),
        ("https://[::1]:8443/a/b?c", ("https", "::1", 8443, "/a/b?c")),
    ],
)
def test_an_address_has_four_parts(url: str, target: tuple[str, str, int, str]) -> None:
    assert hosts.parse(url) == hosts.Target(*target)


@pytest.mark.parametrize("text", ["https://hooks.internal", "*", "a b", "10.0.0.0/8", "a:port", "*.a.*"])
def test_what_is_no_host_is_no_setting(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        hosts.allowed(text)

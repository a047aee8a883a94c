"""Which addresses are public, address by address: the first and the last of every range, and their neighbours."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address

import pytest

from majolica.data.fetch.address import PrivateAddress, guarded_socket
from majolica.data.fetch.special import GLOBAL_V6, SPECIAL_V4, SPECIAL_V6, is_public

NAMED = (
    *("192.0.0.192", "192.88.99.1", "168.63.129.16", "169.254.169.254", "100.100.100.200", "192.0.0.9", "192.0.0.170"),
    *("0.0.0.0", "127.0.0.1", "255.255.255.255", "10.1.2.3", "172.20.0.1", "192.168.0.1", "198.19.0.1", "239.1.1.1"),
    *("::", "::1", "::127.0.0.1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1"),
    *("2001::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:808:808::1", "3fff::1", "5f00::1"),
    *("100::1", "4000::1", "8000::1", "64:ff9b:1::1", "64:ff9b:1::808:808", "::ffff:0:808:808"),
)
INSIDE = ("127.0.0.1", "10.0.0.1", "169.254.169.254", "192.0.0.192", "192.88.99.1", "168.63.129.16", "0.0.0.1")
PUBLIC = (
    *("1.1.1.1", "8.8.8.8", "93.184.216.34", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0"),
    *("168.63.129.15", "168.63.129.17", "192.0.1.0", "192.0.3.0", "192.88.98.255", "192.88.100.0", "198.20.0.0"),
    *("2606:4700::1111", "2001:200::1", "2001:4860:4860::8888", "2003::1", "2a00::1", "3ffe:ffff::1"),
)


def within(v4: str, prefix: str) -> str:
    """An IPv6 address with `v4` in its last 32 bits."""
    return str(IPv6Address(int(IPv6Address(prefix)) | int(IPv4Address(v4))))


@pytest.mark.parametrize("ip", NAMED)
def test_special_addresses_are_not_public(ip: str) -> None:
    assert not is_public(ip)
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    with pytest.raises(PrivateAddress):
        guarded_socket((family, socket.SOCK_STREAM, 0, "", (ip, 80)))


@pytest.mark.parametrize("ip", PUBLIC)
def test_everything_else_is(ip: str) -> None:
    assert is_public(ip)


@pytest.mark.parametrize("prefix", ["::ffff:0:0", "64:ff9b::"])
def test_an_address_within_one_is_judged(prefix: str) -> None:
    assert not any(is_public(within(ip, prefix)) for ip in INSIDE)
    assert is_public(within("8.8.8.8", prefix))


@pytest.mark.parametrize("ip", [*INSIDE, "8.8.8.8"])
def test_tunnels_lead_nowhere_whatever_is_within(ip: str) -> None:
    """6to4 has the address behind its prefix, Teredo at its end, inverted."""
    number = int(IPv4Address(ip))
    six_to_four = IPv6Address(int(IPv6Address("2002::")) | number << 80)
    teredo = IPv6Address(int(IPv6Address("2001::")) | (number ^ 0xFFFFFFFF))
    assert not is_public(str(six_to_four)) and not is_public(str(teredo))


@pytest.mark.parametrize("network", [*SPECIAL_V4, *SPECIAL_V6], ids=str)
def test_every_range_ends_where_it_should(network: object) -> None:
    for edge in (network[0], network[-1]):  # type: ignore[index]
        assert not is_public(str(edge))


def test_beside_the_ranges_is_public_again() -> None:
    """So that a typing error cannot widen one; ranges that touch others are left out."""
    for network in SPECIAL_V4:
        if str(network) in ("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "192.0.2.0/24"):
            continue
        assert is_public(str(network[0] - 1)) and is_public(str(network[-1] + 1)), network
    assert is_public(str(GLOBAL_V6[-1])) and not is_public(str(GLOBAL_V6[0] - 1))
    for network6 in SPECIAL_V6[1:]:
        assert is_public(str(network6[-1] + 1)), network6

"""Which IP addresses may be anyone's server: a table of our own, for Python's changes with its patch releases.

IANA's special-purpose registries (iana-ipv4-special-registry and iana-ipv6-special-registry, RFC 6890 and its
successors), multicast and reserved space, and an address that a cloud answers on. What the registries call reachable
though nobody keeps pictures there (anycast relays, AS112) counts as special here too.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

SPECIAL_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # shared by a carrier's customers; 100.100.100.200 is Alibaba's metadata
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # looks public, but answers inside Azure with secrets of the machine that asks
            "169.254.0.0/16",  # link-local; 169.254.169.254 is most clouds' metadata
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments; 192.0.0.192 is Oracle's metadata
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112
            "192.52.193.0/24",  # AMT relays
            "192.88.99.0/24",  # 6to4 relays, deprecated
            "192.168.0.0/16",  # private
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
        ),
    )
)
GLOBAL_V6 = IPv6Network("2000::/3")
"""All of IPv6 that is assigned as global unicast. Addresses outside of it, such as fec0::/10, are no public servers."""
SPECIAL_V6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID, AMT, AS112
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, deprecated: leads to the IPv4 address inside it
            "2620:4f:8000::/48",  # AS112
            "3fff::/20",  # documentation
        ),
    )
)
NAT64 = IPv6Network("64:ff9b::/96")
"""These lead to the IPv4 address in their last 32 bits. 64:ff9b:1::/48 is for use within one network, and not
public."""


def is_public(address: str) -> bool:
    """Return whether the IP address may be a server on the internet; an IPv4 address inside an IPv6 one is checked."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        inner = ip.ipv4_mapped or (IPv4Address(int(ip) & 0xFFFFFFFF) if ip in NAT64 else None)
        if inner is None:
            return ip in GLOBAL_V6 and not any(ip in network for network in SPECIAL_V6)
        ip = inner
    return not any(ip in network for network in SPECIAL_V4)

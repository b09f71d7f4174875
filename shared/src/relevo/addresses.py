"""PURE: which addresses a URL that somebody else gave us may lead to."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

# What no stranger's address may lie in (IANA's special-purpose registries). Explicit, because `is_global` of
# Python 3.11 takes several of these for global.
DENIED_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, and every cloud's metadata service
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",  # benchmarking
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)  # fmt: skip
GLOBAL_V6 = IPv6Network("2000::/3")  # all that IANA hands out; loopback, mapped, NAT64, local, multicast lie outside
DENIED_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarking
        "2001:db8::/32", "3fff::/20",  # documentation
        "2002::/16",  # 6to4
    )
)  # fmt: skip
LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)  # an interface id that tunnels to the IPv4 address in its last 32 bits


def public_only(address: str) -> str | None:
    """Why `address` is refused; None where it is an ordinary public one."""
    ip = literal(address)
    return None if ip is not None and _is_public(ip) else "that address is not on the public internet"


def loopback_only(address: str) -> str | None:
    """The same, for plain http in local mode."""
    ip = literal(address)
    here = ip is not None and any(ip in network for network in LOOPBACK)
    return None if here else "use https: plain http goes to this machine only"


def public_or_loopback(address: str) -> str | None:
    """The same, for https in local mode."""
    return public_only(address) if loopback_only(address) else None


def literal(host: str) -> IPv4Address | IPv6Address | None:
    """The address that `host` writes out (with a scope, as fe80::1%eth0, too); None where it is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in DENIED_V4)
    if ip not in GLOBAL_V6 or any(ip in network for network in DENIED_V6):
        return False
    return int(ip) >> 32 & 0xFFFF_FFFF not in _ISATAP or _is_public(IPv4Address(int(ip) & 0xFFFF_FFFF))

# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and networks of clients, for directives of Nginx."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network

ADDRESS = "an address or a network such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32"
# Stricter than Python, which also reads a zone: any text after a % sign.
PATTERN = r"([0-9.]{7,15}|[0-9A-Fa-f:]{2,39})(/[0-9]{1,3})?"


def unreadable(text: str) -> str:
    """What the text must be, in the words after "must"; "" for an address or a network."""
    try:
        ip_network(text)
    except ValueError as error:
        beside = ", without bits beside the network" if "host bits" in str(error) else ""
        return f"be {ADDRESS}{beside}"
    return ""


def is_everyone(text: str) -> bool:
    """Whether a valid network has every client."""
    return ip_network(text).prefixlen == 0


def problem_of(text: str) -> str:
    """The same, also for a network that has every client."""
    return unreadable(text) or ("be narrower than every client" if is_everyone(text) else "")


def as_nginx_writes(given: Iterable[str]) -> tuple[str, ...]:
    """Valid ones, each once."""
    networks = [ip_network(text) for text in given]
    return tuple(
        dict.fromkeys(
            str(network.network_address if network.num_addresses == 1 else network)
            for network in networks
        )
    )

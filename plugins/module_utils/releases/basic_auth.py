# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The password file of proxy.basic_auth, with hashes that each Nginx verifies itself.

Nginx knows {SSHA} and $apr1$ without the crypt of the host, which Python 3.13 no longer has on the
controller either. Of the two, $apr1$ takes a thousand rounds: who reads the file guesses a thousand
times slower, and a request costs Nginx a fraction of a millisecond. (The $6$ of a host would cost
it several, in a worker that serves other clients.)
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import md5
from typing import Any

# The digits of crypt's own base 64, and which bytes of a hash make four of them.
_DIGITS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TRIPLES = ((0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5))
_ROUNDS = 1000
_SALT = 8


def password_file(name: str, users: Mapping[str, str], key: bytes) -> str:
    """The text of the password file of an application.

    Args:
        name: the application.
        users: the password of each user.
        key: makes the salts. The same password has the same hash in each run, and nobody without
            the key can tell from the salt which password it is.
    """
    return "".join(
        f"{user}:{apr1(password, _salt(key, name, user, password))}\n"
        for user, password in sorted(users.items())
    )


def _salt(key: bytes, *words: str) -> str:
    made = hmac.new(key, "\0".join(("basic_auth", *words)).encode(), "sha256").digest()
    return "".join(_DIGITS[byte % 64] for byte in made[:_SALT])


def apr1(password: str, salt: str) -> str:
    """The hash of a password, as htpasswd of Apache writes it; MD5 is part of its definition."""
    word, grain = password.encode(), salt.encode()
    inner = _digest(word, grain, word)
    start = word + b"$apr1$" + grain + (inner * (len(word) // 16 + 1))[: len(word)]
    length = len(word)
    while length:
        start += b"\0" if length & 1 else word[:1]
        length >>= 1
    found = _digest(start)
    for turn in range(_ROUNDS):
        found = _digest(
            word if turn & 1 else found,
            grain if turn % 3 else b"",
            word if turn % 7 else b"",
            found if turn & 1 else word,
        )
    numbers = [(found[a] << 16 | found[b] << 8 | found[c], 4) for a, b, c in _TRIPLES]
    shown = "".join(_written(*number) for number in [*numbers, (found[11], 2)])
    return f"$apr1${salt}${shown}"


def _digest(*parts: bytes) -> bytes:
    made: Any = md5(usedforsecurity=False)
    for part in parts:
        made.update(part)
    return bytes(made.digest())


def _written(number: int, digits: int) -> str:
    return "".join(_DIGITS[number >> 6 * place & 63] for place in range(digits))

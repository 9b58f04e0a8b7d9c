# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates that a user provides: read and checked on the controller, before the host is
touched. No module imports this; hosts need not have the package cryptography.
"""

from __future__ import annotations

import datetime
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

try:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_pem_private_key,
    )
except ImportError:  # ansible-core needs it, and ansible-test imports this file without it
    x509 = None  # type: ignore[assignment]

LARGEST = 1 << 20  # bytes of a file
TEXT = "{{ lookup('ansible.builtin.file', 'FILE') }}"


class Unusable(ValueError):
    """A certificate or a key that cannot be used; the text says why and what to write."""


@dataclass(frozen=True)
class Pair:
    """A certificate with its intermediate certificates, and its key; both PEM."""

    chain: str
    key: str

    @property
    def digest(self) -> str:
        """Identifies the pair."""
        return hashlib.sha256(f"{self.chain}\n{self.key}".encode()).hexdigest()[:16]


def load(certificate: str, key: str, directory: str) -> Pair:
    """Both from what a user wrote.

    Args:
        certificate: PEM, or the path of a file on the controller.
        key: the same for the key.
        directory: what relative paths start from.

    Raises:
        Unusable: a file cannot be read.
    """
    chain, secret = (
        _text("certificate", certificate, directory),
        _text("certificate_key", key, directory),
    )
    return Pair(_blocks(chain, "CERTIFICATE"), _blocks(secret, "PRIVATE KEY"))


def _blocks(text: str, kind: str) -> str:
    """The blocks of a kind; a file may have the key and the certificates together, and the key must
    not come to where certificates go.
    """
    found = re.findall(
        rf"^-----BEGIN ([A-Z ]*{kind})-----[ \t\r]*$(.*?)^-----END \1-----", text, re.M | re.S
    )
    return "".join(f"-----BEGIN {name}-----{body}-----END {name}-----\n" for name, body in found)


def _text(key: str, given: str, directory: str) -> str:
    if "-----BEGIN " in given:
        return given.strip() + "\n"
    if "\n" in given or len(given) > 4096:
        raise Unusable(
            f"{key} must be the path of a file on the controller, or a PEM text, which begins with"
            " -----BEGIN; its value is hidden."
        )
    try:
        path = Path(directory, Path(given).expanduser())
        if not path.is_file() and path.exists():
            raise ValueError("not a file")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        # A key in base64 in one line looks like a name, but has no dot.
        shown = f"got {given!r}" if re.match(r"[/~]|.*\.", given) else "its value is hidden"
        raise Unusable(
            f"{key} must be a file that can be read on the controller; {shown} ({reason})."
            " Relative paths start at the playbook."
        ) from None
    if len(content) > LARGEST:
        raise Unusable(f"{key}: {str(path)!r} must have at most {LARGEST >> 20} MiB.")
    text = content.decode("utf-8", "replace")
    if text.startswith("$ANSIBLE_VAULT"):
        words = TEXT.replace("FILE", given)
        raise Unusable(f'{key}: {str(path)!r} is encrypted by Ansible Vault; write "{words}".')
    if "-----BEGIN " not in text:
        raise Unusable(
            f"{key}: {str(path)!r} must be a PEM file, which has lines such as -----BEGIN"
            " CERTIFICATE-----."
        )
    return text.strip() + "\n"


def problems(pair: Pair, names: Iterable[str], now: datetime.datetime) -> list[str]:
    """Why a pair cannot serve a site, as sentences.

    Args:
        pair: what the user provides.
        names: the host names of the site.
        now: the time, with its zone.
    """
    if x509 is None:
        return ["certificate: the controller has no Python package cryptography; install it."]
    try:
        chain = x509.load_pem_x509_certificates(pair.chain.encode())
    except ValueError as error:
        words = str(error).rstrip(".")
        return [f"certificate must be PEM certificates; reading them failed: {words}."]
    try:
        key = load_pem_private_key(pair.key.encode(), None)
        own = _public(key)
        public = [_public(each) for each in chain]
    except TypeError:
        return [
            "certificate_key must be without a passphrase, for Nginx starts without anybody who"
            " types it; `openssl pkey` removes it. Ansible Vault protects it instead."
        ]
    except UnsupportedAlgorithm:
        return ["certificate_key and certificate must be of RSA or ECDSA; write others."]
    except ValueError:
        return ["certificate_key must be a private key in PEM; its value is hidden."]
    leaf = chain[0]
    found = []
    if public[0] != own:
        other = public.index(own) if own in public else 0
        found.append(
            f"certificate must begin with the certificate of the site; it is number {other + 1} in"
            " the file. Put it first, then those that issued it."
            if other
            else "certificate_key does not belong to certificate; write the key that it was"
            " issued for."
        )
    else:
        found += _order(chain)
        found += _names(leaf, names)
    found += [words for each in chain for words in _time(each, now)]
    return found


def _public(owner: object) -> bytes:
    key = owner.public_key()  # type: ignore[attr-defined]
    return bytes(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _order(chain: list[x509.Certificate]) -> list[str]:
    for number, (lower, upper) in enumerate(pairwise(chain), 1):
        if lower.issuer != upper.subject:
            return [
                f"certificate must have each certificate before the one that issued it; number"
                f" {number} was issued by {_shown(lower.issuer)}, and {_shown(upper.subject)}"
                " follows."
            ]
    return []


def _names(leaf: x509.Certificate, names: Iterable[str]) -> list[str]:
    try:
        there = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):  # a ValueError: one that is broken
        there = x509.SubjectAlternativeName([])
    covered = {name.lower() for name in there.get_values_for_type(x509.DNSName)}
    covered |= {str(address) for address in there.get_values_for_type(x509.IPAddress)}
    missing = [
        name
        for name in names
        if name not in covered and f"*.{name.partition('.')[2]}" not in covered
    ]
    if not missing:
        return []
    return [
        f"certificate must be for all names of the site; it is not for {', '.join(missing)} (it is"
        f" for {', '.join(sorted(covered)) or 'no name'})."
    ]


def _time(each: x509.Certificate, now: datetime.datetime) -> list[str]:
    begin, end = _utc(each, "not_valid_before"), _utc(each, "not_valid_after")
    if now > end:
        return [f"certificate: {_shown(each.subject)} expired on {end:%Y-%m-%d}; renew it."]
    if now < begin:
        return [
            f"certificate: {_shown(each.subject)} is valid from {begin:%Y-%m-%d} on; is the clock"
            " of the controller right?"
        ]
    return []


def _utc(each: x509.Certificate, name: str) -> datetime.datetime:
    """A time of a certificate. Before cryptography 42 it has no zone."""
    found: datetime.datetime = getattr(each, f"{name}_utc", None) or getattr(each, name)
    return found.replace(tzinfo=datetime.timezone.utc)


def _shown(name: x509.Name) -> str:
    text = name.rfc4514_string() or "a certificate without a subject"
    return repr(text[:120])

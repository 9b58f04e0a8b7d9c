# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Certificates that users provide: with real keys and chains, and the exact messages."""

import base64
import datetime
import ipaddress
import os
import random

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.nginx import provided
from ansible_collections.flaskops.host.plugins.module_utils.nginx.provided import Pair, Unusable
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

NOW = datetime.datetime(2026, 11, 27, 12, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
NAMES = ("shop.example.org", "www.shop.example.org")
HIDDEN = "certificate_key must be a private key in PEM; its value is hidden."


def subject(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])


def certificate(name, issuer, key, signer, names=(), begin=-10, end=80, addresses=()):
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject(name))
        .issuer_name(subject(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + begin * DAY)
        .not_valid_after(NOW + end * DAY)
    )
    if names or addresses:
        listed = [x509.DNSName(each) for each in names]
        listed += [x509.IPAddress(ipaddress.ip_address(each)) for each in addresses]
        builder = builder.add_extension(x509.SubjectAlternativeName(listed), critical=False)
    made = builder.sign(signer, None if is_edwards(signer) else hashes.SHA256())
    return made.public_bytes(Encoding.PEM).decode()


def is_edwards(key):
    return isinstance(key, ed25519.Ed25519PrivateKey)


def pem(key, kind=PrivateFormat.PKCS8, word=b""):
    encryption = BestAvailableEncryption(word) if word else NoEncryption()
    return key.private_bytes(Encoding.PEM, kind, encryption).decode()


ROOT, MIDDLE, KEY, OTHER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(4))
RSA = rsa.generate_private_key(65537, 2048)
TOP = certificate("Root", "Root", ROOT, ROOT, begin=-100, end=900)
ISSUER = certificate("Middle", "Root", MIDDLE, ROOT, begin=-100, end=900)
LEAF = certificate("shop.example.org", "Middle", KEY, MIDDLE, NAMES)


def found(chain=LEAF + ISSUER, key=None, names=NAMES):
    return provided.problems(Pair(chain, pem(KEY) if key is None else key), names, NOW)


def issued(**changed):
    return certificate("shop.example.org", "Middle", KEY, MIDDLE, **{"names": NAMES, **changed})


@pytest.mark.parametrize(
    "chain", [LEAF, LEAF + ISSUER, LEAF + ISSUER + TOP, LEAF + "\n# issued by\n" + ISSUER]
)
def test_a_chain_in_order_is_accepted(chain):
    assert found(chain) == []


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        (KEY, PrivateFormat.PKCS8),
        (KEY, PrivateFormat.TraditionalOpenSSL),
        (RSA, PrivateFormat.PKCS8),
        (RSA, PrivateFormat.TraditionalOpenSSL),
        (ec.generate_private_key(ec.SECP384R1()), PrivateFormat.PKCS8),
        (ed25519.Ed25519PrivateKey.generate(), PrivateFormat.PKCS8),
    ],
)
def test_the_usual_keys_are_accepted(key, kind):
    assert found(certificate("x", "Middle", key, MIDDLE, NAMES), pem(key, kind)) == []


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_key_never_comes_to_where_certificates_go(order):
    """Many tools write one file with both; only keys are secret arguments."""
    parts = [pem(KEY), LEAF + ISSUER]
    both = "Bag Attributes\n" + "".join(parts[number] for number in order)
    pair = provided.load(both, both, ".")
    assert (pair.chain, pair.key) == (LEAF + ISSUER, pem(KEY))
    assert provided.problems(pair, NAMES, NOW) == []


def test_windows_line_ends_are_accepted():
    assert found((LEAF + ISSUER).replace("\n", "\r\n"), pem(KEY).replace("\n", "\r\n")) == []


MISMATCH = "certificate_key does not belong to certificate; write the key that it was issued for."


@pytest.mark.parametrize("key", [OTHER, RSA, ROOT, x25519.X25519PrivateKey.generate()])
def test_another_key_is_refused(key):
    assert found(key=pem(key)) == [MISMATCH]


@pytest.mark.parametrize(
    ("chain", "number"), [(ISSUER + LEAF, 2), (TOP + ISSUER + LEAF, 3), (ISSUER + LEAF + TOP, 2)]
)
def test_the_certificate_of_the_site_comes_first(chain, number):
    assert found(chain) == [
        f"certificate must begin with the certificate of the site; it is number {number} in the"
        " file. Put it first, then those that issued it."
    ]


@pytest.mark.parametrize(
    ("chain", "number", "issuer", "follows"),
    [
        (LEAF + TOP + ISSUER, 1, "CN=Middle", "CN=Root"),
        (LEAF + TOP, 1, "CN=Middle", "CN=Root"),
        (LEAF + ISSUER + ISSUER, 2, "CN=Root", "CN=Middle"),
        (LEAF + LEAF, 1, "CN=Middle", "CN=shop.example.org"),
        (
            LEAF + certificate("", "Root", OTHER, ROOT),
            1,
            "CN=Middle",
            "a certificate without a subject",
        ),
    ],
)
def test_intermediate_certificates_are_in_order(chain, number, issuer, follows):
    assert found(chain) == [
        "certificate must have each certificate before the one that issued it; number"
        f" {number} was issued by {issuer!r}, and {follows!r} follows."
    ]


def missing(names, there):
    return [
        f"certificate must be for all names of the site; it is not for {names} (it is for {there})."
    ]


@pytest.mark.parametrize(
    ("there", "names", "problem"),
    [
        (["shop.example.org"], ["shop.example.org"], []),
        (["Shop.Example.ORG"], ["shop.example.org"], []),
        (["*.example.org"], ["shop.example.org"], []),
        (["*.example.org"], ["*.example.org"], []),
        (["*.example.org", "example.org"], ["example.org", "www.example.org"], []),
        (["*.example.org"], ["example.org"], missing("example.org", "*.example.org")),
        (["*.example.org"], ["a.b.example.org"], missing("a.b.example.org", "*.example.org")),
        (["*.example.org"], ["*.b.example.org"], missing("*.b.example.org", "*.example.org")),
        (["shop.example.org"], ["*.example.org"], missing("*.example.org", "shop.example.org")),
        (
            ["b.example.org", "a.example.org"],
            ["c.example.org", "a.example.org", "d.example.org"],
            missing("c.example.org, d.example.org", "a.example.org, b.example.org"),
        ),
        (["*.localhost"], ["localhost"], missing("localhost", "*.localhost")),
        ([], ["shop.example.org"], missing("shop.example.org", "no name")),
    ],
)
def test_all_names_are_covered(there, names, problem):
    assert found(issued(names=there), names=names) == problem


def test_the_common_name_alone_does_not_count():
    assert found(issued(names=()), names=["shop.example.org"]) == missing(
        "shop.example.org", "no name"
    )


def test_an_address_counts_where_the_certificate_has_it():
    chain = issued(names=(), addresses=["192.0.2.7"])
    assert found(chain, names=["192.0.2.7"]) == []
    assert found(chain, names=["192.0.2.8"]) == missing("192.0.2.8", "192.0.2.7")


def test_the_time_of_each_certificate_counts():
    old = "certificate: 'CN=shop.example.org' expired on 2026-11-26; renew it."
    new = (
        "certificate: 'CN=shop.example.org' is valid from 2026-11-28 on; is the clock of the"
        " controller right?"
    )
    above = "certificate: 'CN=Middle' expired on 2026-11-22; renew it."
    gone = certificate("Middle", "Root", MIDDLE, ROOT, begin=-100, end=-5)
    assert found(issued(end=-1)) == [old]
    assert found(issued(begin=1)) == [new]
    assert found(LEAF + gone) == [above]
    assert found(issued(end=-1) + gone) == [old, above]


def test_the_last_second_is_valid():
    assert found(issued(end=0)) == [] and found(issued(begin=0)) == []


def test_several_problems_are_reported_together():
    problems = found(issued(names=["a.example.org"], end=-1) + TOP)
    assert [words.split(";")[0].split(" (")[0][:40] for words in problems] == [
        "certificate must have each certificate b",
        "certificate must be for all names of the",
        "certificate: 'CN=shop.example.org' expir",
    ]


PASSPHRASE = (
    "certificate_key must be without a passphrase, for Nginx starts without anybody who types it;"
    " `openssl pkey` removes it. Ansible Vault protects it instead."
)


@pytest.mark.parametrize("kind", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_an_encrypted_key_is_refused(kind):
    assert found(key=pem(KEY, kind, b"hunter2")) == [PASSPHRASE]


PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize(
    "key",
    [
        LEAF,
        PUBLIC,
        "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
        pem(KEY)[:150],
        pem(KEY, PrivateFormat.OpenSSH),
        "-----BEGIN \0",
    ],
)
def test_other_texts_than_keys_are_refused_and_hidden(key):
    assert found(key=key) == [HIDDEN]


@pytest.mark.parametrize(
    "chain",
    [
        pem(KEY),
        "-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n",
        LEAF[:200],
        LEAF + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ],
)
def test_other_texts_than_certificates_are_refused(chain):
    (problem,) = found(chain)
    assert problem.startswith("certificate must be PEM certificates; reading them failed: ")
    assert problem.endswith(".") and not problem.endswith("..") and "hunter2" not in problem


def test_a_kind_of_key_that_nobody_reads_is_a_message(monkeypatch):
    def refuse(*_words):
        raise UnsupportedAlgorithm("x")

    monkeypatch.setattr(provided, "load_pem_private_key", refuse)
    assert found() == ["certificate_key and certificate must be of RSA or ECDSA; write others."]


def test_random_damage_is_a_message_and_never_a_traceback():
    chance = random.Random(7)
    for _ in range(300):
        texts = [LEAF + ISSUER, pem(KEY)]
        which = chance.randrange(2)
        text = bytearray(texts[which].encode())
        for _ in range(chance.randrange(1, 4)):
            text[chance.randrange(len(text))] = chance.choice(b"A=-\n zB/\\0")
        texts[which] = text.decode()
        problems = found(*texts)
        assert all(words.startswith("certificate") for words in problems)


# --- where they come from -------------------------------------------------------------------------


def test_a_text_and_a_file_give_the_same(tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files/chain.pem").write_text("\n" + LEAF + "\n\n")
    (tmp_path / "key.pem").write_text(pem(KEY))
    relative = provided.load("files/chain.pem", str(tmp_path / "key.pem"), str(tmp_path))
    text = provided.load(f"  {LEAF}", pem(KEY), "/nonexistent")
    assert relative == text == Pair(LEAF, pem(KEY))
    assert relative.digest == text.digest and len(text.digest) == 16
    assert Pair(LEAF, pem(OTHER)).digest != text.digest


def test_a_path_may_begin_with_the_home_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "chain.pem").write_text(LEAF)
    (tmp_path / "key.pem").write_text(pem(KEY))
    assert provided.load("~/chain.pem", "~/key.pem", "/x") == Pair(LEAF, pem(KEY))


def refused(given, directory="/nonexistent"):
    with pytest.raises(Unusable) as error:
        provided.load(LEAF, given, str(directory))
    return str(error.value)


def unreadable(what, reason):
    return (
        f"certificate_key must be a file that can be read on the controller; {what} ({reason})."
        " Relative paths start at the playbook."
    )


def test_a_file_that_is_missing(tmp_path):
    reason = "No such file or directory"
    assert refused("key.pem", tmp_path) == unreadable("got 'key.pem'", reason)
    assert refused("/no/key", tmp_path) == unreadable("got '/no/key'", reason)
    with pytest.raises(Unusable, match=r"^certificate must be a file .* got 'chain\.pem'"):
        provided.load("chain.pem", "key.pem", str(tmp_path))


def test_a_directory_and_a_pipe_are_refused(tmp_path):
    (tmp_path / "a.d").mkdir()
    os.mkfifo(tmp_path / "a.pipe")
    assert refused("a.d", tmp_path) == unreadable("got 'a.d'", "not a file")
    assert refused("a.pipe", tmp_path) == unreadable("got 'a.pipe'", "not a file")
    assert refused("/dev/zero") == unreadable("got '/dev/zero'", "not a file")


@pytest.mark.parametrize(
    "given", ["~nobody-has-this/key.pem", "a\0b.pem", "x" * 300 + ".pem", "a.pem/../b.pem", "./."]
)
def test_odd_paths_are_a_message(given, tmp_path):
    assert "must be a file that can be read on the controller" in refused(given, tmp_path)


def test_a_key_in_one_line_is_not_shown():
    der = KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    line = base64.b64encode(der).decode()
    message = refused(line)
    assert line not in message and "its value is hidden" in message
    assert "hunter2" not in refused("hunter2")


@pytest.mark.parametrize("given", ["a\nb", "x" * 5000, "hunter2\n"])
def test_a_text_without_pem_is_hidden(given):
    assert refused(given) == (
        "certificate_key must be the path of a file on the controller, or a PEM text, which begins"
        " with -----BEGIN; its value is hidden."
    )


def test_a_file_of_ansible_vault_leads_to_the_lookup(tmp_path):
    (tmp_path / "key.pem").write_text("$ANSIBLE_VAULT;1.1;AES256\n3132\n")
    assert refused("key.pem", tmp_path) == (
        f"certificate_key: '{tmp_path}/key.pem' is encrypted by Ansible Vault; write"
        " \"{{ lookup('ansible.builtin.file', 'key.pem') }}\"."
    )


@pytest.mark.parametrize("content", [b"", b"hunter2", b"\xff\xfe\0", b"0\x82\x01\x0a\x02"])
def test_a_file_without_pem_is_refused(tmp_path, content):
    (tmp_path / "key.pem").write_bytes(content)
    assert refused("key.pem", tmp_path) == (
        f"certificate_key: '{tmp_path}/key.pem' must be a PEM file, which has lines such as"
        " -----BEGIN CERTIFICATE-----."
    )


def test_a_huge_file_is_refused_and_not_cut(tmp_path):
    (tmp_path / "key.pem").write_text(pem(KEY) + "#" * provided.LARGEST)
    assert refused("key.pem", tmp_path).endswith("key.pem' must have at most 1 MiB.")

# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""What hostile clients send over TLS, and a client that sends it.

python3 attack.py cases               each of CASES; prints what the client got, and what the
                                      servers behind Nginx received, as JSON
python3 attack.py crowd KIND COUNT    COUNT connections of a kind at once, while other clients
                                      ask; prints how long those waited
"""

from __future__ import annotations

import base64
import json
import re
import resource
import socket
import ssl
import struct
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from clients import INVALID_HOSTS, NOT_OURS, SETTINGS, TUNNELS

NAME = "shop.example.org"
HOST = f"Host: {NAME}\r\n"
RECORDERS = ("raw", "secret", "other")


@dataclass(frozen=True)
class Case:
    """What a client sends, and the result: the statuses of the answers ("" without an answer), how
    many requests the server /raw receives, and what they contain, or do not contain after "!".
    """

    name: str
    send: str | list[tuple[str, str]]  # bytes as latin-1; a list: the headers of HTTP/2
    answers: tuple[str, ...] = ("400",)
    received: int | None = 0
    seen: tuple[str, ...] = ()
    body: str | None = None  # of HTTP/2, without a length
    sni: str | None = NAME
    port: int = 443
    other: int = 0  # what the server of another site receives
    not_shown: str = "of this application alone"


def post(name: str, headers: str, body: str, *answers: str, **more) -> Case:
    stays = "" if SMUGGLED in body else CLOSE
    text = f"POST /raw/x HTTP/1.1\r\n{HOST}{stays}{headers}\r\n{body}"
    return Case(f"smuggling: {name}", text, answers or ("400",), **more)


def get(name: str, target: str = "/raw/x", headers: str = HOST, *answers: str, **more) -> Case:
    text = f"GET {target} HTTP/1.1\r\n{headers}{CLOSE}\r\n"
    return Case(name, text, answers or ("400",), **more)


def path(target: str, *answers: str, **more) -> Case:
    return get(f"path: {target}", target, HOST, *answers, **more)


def h2(name: str, headers: list[tuple[str, str]], *answers: str, **more) -> Case:
    """Its pseudo headers are those of a plain request, unless the case has its own."""
    own = {name for name, _ in headers}
    plain = [(":method", "POST" if more.get("body") is not None else "GET"), (":scheme", "https")]
    plain += [(":authority", NAME), (":path", "/raw/x")]
    first = [pair for pair in plain if pair[0] not in own]
    return Case(f"h2: {name}", first + headers, answers or ("400",), **more)


CLOSE = "Connection: close\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"
SMUGGLED = f"GET /secret/x HTTP/1.1\r\n{HOST}{CLOSE}\r\n"
HELLO = "5\r\nhello\r\n0\r\n\r\n"
WEBSOCKET = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 777\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
LEGAL = ("content-length: 5", "!transfer-encoding")
REFUSED_H2 = ("400", "reset", "goaway", "")

CASES = [
    # --- where a request ends
    post("CL.TE", f"Content-Length: 6\r\n{CHUNKED}", "0\r\n\r\nG"),
    post("TE.CL", f"{CHUNKED}Content-Length: 4\r\n", f"5c\r\n{SMUGGLED}0\r\n\r\n"),
    post("TE.TE", f"{CHUNKED}Transfer-Encoding: identity\r\n", HELLO, "400", "501"),
    post("TE.TE the other way", f"Transfer-Encoding: x\r\n{CHUNKED}", HELLO, "400", "501"),
    *(
        post(f"coding {coding!r}", f"Transfer-Encoding: {coding}\r\n", HELLO, "400", "501")
        for coding in ("xchunked", "chunked, identity", "identity, chunked", "\x0bchunked", "gzip")
    ),
    post("space before the colon", "Transfer-Encoding : chunked\r\n", HELLO),
    post("a tab before the value", "Transfer-Encoding:\tchunked\r\n", HELLO, "400", "501"),
    post(
        "an underscore",
        "Transfer_Encoding: chunked\r\nContent-Length: 5\r\n",
        "hello",
        "200",
        received=1,
        seen=(*LEGAL, "!transfer_encoding"),
    ),
    post("obs-fold", "X-A: a\r\n Transfer-Encoding: chunked\r\n", HELLO),
    post("a folded length", "Content-Length:\r\n 5\r\n", "hello"),
    post("CL+CL", "Content-Length: 5\r\nContent-Length: 6\r\n", "hello"),
    post("CL+CL, equal", "Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
    *(
        post(f"length {length!r}", f"Content-Length: {length}\r\n", "hello", "400", "413")
        for length in ("+5", "-1", "5,5", "0x5", "5 5", "5;", "99999999999999999999", "9" * 17)
    ),
    post("chunked", CHUNKED, HELLO, "200", received=1, seen=LEGAL),
    post(
        "a chunk extension", CHUNKED, '5;a="b"\r\nhello\r\n0\r\n\r\n', "200", received=1, seen=LEGAL
    ),
    post(
        "a bare LF in a chunk extension",
        CHUNKED,
        f"2;\nxx\r\n4c\r\n0\r\n\r\n{SMUGGLED}0\r\n\r\n",
        "400",
        "200",
        "403",
        "",
    ),
    *(
        post(f"chunk size {size!r}", CHUNKED, f"{size}\r\nhello\r\n0\r\n\r\n", "400", "")
        for size in ("-5", "0x5", "+5", "FFFFFFFFFFFFFFFFF", "")
    ),
    post(
        "a space in a chunk size", CHUNKED, HELLO.replace("5", "5 5"), "400", "200", received=None
    ),
    post(
        "a trailer",
        CHUNKED,
        "5\r\nhello\r\n0\r\nContent-Length: 9\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n",
        "200",
        received=1,
        seen=(*LEGAL, "!1.2.3.4"),
    ),
    post(
        "a request in a body",
        f"Content-Length: {len(SMUGGLED)}\r\n",
        SMUGGLED,
        "200",
        received=1,
        seen=(f"content-length: {len(SMUGGLED)}",),
    ),
    post(
        "a request after a body",
        "Content-Length: 5\r\n",
        f"hello{SMUGGLED}",
        "200 403",
        received=1,
        seen=LEGAL,
    ),
    post("a request after chunks", CHUNKED, HELLO + SMUGGLED, "200 403", received=1, seen=LEGAL),
    Case(
        "smuggling: a body without a length",
        f"POST /raw/x HTTP/1.1\r\n{HOST}\r\n{SMUGGLED}",
        ("200 403",),
        1,
    ),
    Case(
        "smuggling: bare LF",
        f"GET /raw/x HTTP/1.1\nHost: {NAME}\nX-A: b\nConnection: close\n\n",
        ("200",),
        1,
        ("x-a: b\r\n",),
    ),
    Case("smuggling: bare CR", f"GET /raw/x HTTP/1.1\r\n{HOST}X-A: b\rX-B: c\r\n\r\n", ("400",)),
    Case(
        "smuggling: LF LF after CRLF", f"GET /raw/x HTTP/1.1\r\n{HOST}\n{SMUGGLED}", ("200 403",), 1
    ),
    Case("smuggling: NUL", f"GET /raw/x HTTP/1.1\r\n{HOST}X-A: b\0c\r\n\r\n", ("400",)),
    Case("smuggling: NUL in a name", f"GET /raw/x HTTP/1.1\r\n{HOST}X-\0A: b\r\n\r\n", ("400",)),
    Case("smuggling: HTTP/0.9", "GET /raw/x\r\n", ("", "200", "400")),
    *(
        Case(
            f"smuggling: version {version!r}", f"GET /raw/x {version}\r\n{HOST}\r\n", ("400", "505")
        )
        for version in ("HTTP/2.0", "HTTP/1.1 HTTP/1.1", "HTTP/1.1\tx", "HTTX/1.1", "HTTP/11.1")
    ),
    Case("smuggling: a space in the target", f"GET /raw/x y HTTP/1.1\r\n{HOST}\r\n", ("400",)),
    *(
        Case(
            f"smuggling: method {method!r}",
            f"{method} /raw/x HTTP/1.1\r\n{HOST}\r\n",
            ("400", "405"),
        )
        for method in ("TRACE", "CONNECT", "get", "GE\0T", "G,T")
    ),
    # --- paths; nobody may have /secret, and nothing but static/ is a file
    *(
        path(target, "403", "404", "400")
        for target in (
            "/secret/x",
            "//secret/x",
            "/./secret/x",
            "/x/../secret/x",
            "/raw/../secret/x",
            "/raw/..//secret/x",
            "/raw/%2e%2e/secret/x",
            "/raw/..%2fsecret/x",
            "/%73ecret/x",
            "/raw/%2e%2e%2fsecret%2fx",
            "/secret%2fx",
            "/secret//x",
            "/secret/./x",
            "/raw/..",
            "/secret/.flaskops/../x",
            "/secret",
            "/secret/",
            "/secret/%2e/x",
            "/secret;/x",
            "/secret./x",
            "/secret%00/x",
            "/secret%20/x",
            "/SECRET/x",
            "/secret/static/note.txt",
            "/secret/static%2fnote.txt",
            "/raw/static/../../secret/static/note.txt",
            "/raw/%5c../secret/x/../../../../secret/x",
            "/..;/secret/x",
            "/raw%00/x",
            "/%2e%2e/",
            "/raw/../../../../etc/passwd",
            "/%c0%ae%c0%ae/secret/x",
            "/raw/static/note.txt%00.html",
            "/raw/%zz",
            "/raw/%",
            "x",
            "*",
            "../secret/x",
            "/secret/.flaskops/release?config=x",
            "/rawx",
            "/raw%2f..%2fsecret%2fx",
        )
    ),
    *(
        path(target, "200", "404", "400", received=None)
        for target in (
            "/raw/..;/secret/x",
            "/raw/static../private.txt",
            "/raw/static/../private.txt",
            "/raw/static/..%2fprivate.txt",
            "/raw/static/%2e%2e/container.env",
            "/raw/static",
            "/raw/static/..;/private.txt",
            "/raw/static/note.txt/",
            "/raw/static/note.txt;a",
            "/raw/static/note.txt.",
            "/raw/static/note.txt%20",
            "/raw/static/.%2e/nginx.conf",
            "/raw/static%5c..%5cprivate.txt",
            "/raw/static/%252e%252e/private.txt",
            "/raw//x",
            "/raw/%252e%252e/secret/x",
            "/raw/x%0d%0aX-A:%20b",
            "/raw/static/..%c0%afprivate.txt",
            "/raw/x?/../../secret/x",
            "/raw/x#/../../secret/x",
            "/secret/..%2fraw/x",
            "/secret/../raw/x",
            "/raw/static/..%2f..%2f..%2f..%2fnginx.passwords",
        )
    ),
    *(
        path(target, "200", not_shown="recorded")
        for target in (
            "/raw/static/note.txt",
            "/raw//static//note.txt",
            "/raw/static/%6eote.txt",
            "/raw/x/../static/note.txt",
        )
    ),
    # --- sizes
    get("size: a header of 9k", headers=f"{HOST}X-A: {'a' * 9000}\r\n"),
    get("size: a target of 9k", "/raw/" + "a" * 9000, HOST, "414"),
    get("size: 5 headers of 7k", headers=HOST + f"X-A: {'a' * 7000}\r\n" * 5),
    get("size: 10000 headers", headers=HOST + "".join(f"X-{n}: a\r\n" for n in range(10000))),
    post("a body of 1 TB is announced", "Content-Length: 1000000000000\r\n", "hello", "413"),
    post("a chunk of 1 TB is announced", CHUNKED, "e8d4a51000\r\nhello", "413"),
    post("an incomplete body", "Content-Length: 6\r\n", "hello", ""),
    # --- names
    get("name: another site", "/raw/x", "Host: blog.example.org\r\n", "200", other=1),
    get("name: an unknown host", "/raw/x", "Host: unknown.example.org\r\n", ""),
    get("name: no host", headers=""),
    get("name: an empty host", "/raw/x", "Host: \r\n", "400", ""),
    get("name: two hosts", headers=f"{HOST}Host: blog.example.org\r\n"),
    get("name: two equal hosts", headers=HOST * 2),
    get(
        "name: case, dot and port",
        "/raw/x",
        "Host: SHOP.Example.ORG.:443\r\n",
        "200",
        received=1,
        seen=("\r\nhost: shop.example.org:443\r\n", "x-forwarded-host: shop.example.org:443\r\n"),
    ),
    get(
        "name: another port",
        "/raw/x",
        f"Host: {NAME}:8443\r\n",
        "200",
        received=1,
        seen=(f"\r\nhost: {NAME}:8443\r\n",),
    ),
    get(
        "name: in the target",
        f"https://{NAME}/raw/x",
        "Host: evil.example\r\n",
        "200",
        received=1,
        seen=(f"\r\nhost: {NAME}\r\n", "!evil"),
    ),
    get("name: another site in the target", "https://blog.example.org/raw/x", HOST, "200", other=1),
    get("name: a user in the target", f"https://{NAME}@evil.example/raw/x", HOST),
    get("name: of the handshake unknown", "/raw/x", HOST, "refused", sni="unknown.example.org"),
    get("name: of the handshake missing", "/raw/x", HOST, "refused", sni=None),
    get(
        "name: of the handshake of another site",
        "/raw/x",
        HOST,
        "200",
        received=1,
        sni="blog.example.org",
    ),
    *(
        get(f"name: invalid {host}", "/raw/x", f"Host: {host}\r\n", "400", "")
        for host in INVALID_HOSTS
    ),
    *(
        get(
            f"header: {name}",
            "/raw/x",
            f"{HOST}{name}: 203.0.113.9\r\n",
            "200",
            received=1,
            seen=("!203.0.113.9",),
        )
        for name in (
            *NOT_OURS,
            "X-Forwarded-For",
            "X-Real-IP",
            "X-Forwarded-Proto",
            "Forwarded",
            "Proxy",
            "X-Forwarded-Host",
            "X-Forwarded-Ssl",
            "X-Forwarded-Port",
        )
    ),
    # --- upgrades
    *(
        Case(
            f"upgrade: {upgrade}",
            f"GET /raw/x HTTP/1.1\r\n{HOST}Upgrade: {upgrade}\r\n"
            f"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: {SETTINGS}\r\n\r\n",
            ("200",),
            1,
            ("!h2c", "!http2", "!upgrade"),
        )
        for upgrade in TUNNELS
    ),
    Case(
        "upgrade: a websocket that the application does not know",
        f"GET /raw/x HTTP/1.1\r\n{HOST}{WEBSOCKET}\r\n{SMUGGLED}",
        ("200 403", "200"),
        1,
    ),
    Case(
        "upgrade: HTTP/2 without ALPN",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
        ("400", "", "goaway"),
    ),
    Case(
        "upgrade: HTTP/2 on the port for plain HTTP",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
        ("400", ""),
        port=80,
    ),
    Case("upgrade: CONNECT", f"CONNECT {NAME}:22 HTTP/1.1\r\n{HOST}\r\n", ("400", "405")),
    # --- HTTP/2, which Nginx rewrites as HTTP/1.1
    h2("a request", [], "200", received=1, seen=(f"\r\nhost: {NAME}\r\n",)),
    h2("a body", [], "200", body="hello", received=1, seen=LEGAL),
    h2("a length", [("content-length", "5")], "200", body="hello", received=1, seen=LEGAL),
    h2(
        "a body that is longer than its length",
        [("content-length", "0")],
        *REFUSED_H2,
        body=SMUGGLED,
    ),
    h2(
        "a body that is shorter than its length",
        [("content-length", "500")],
        *REFUSED_H2,
        body="hello",
    ),
    h2(
        "two lengths", [("content-length", "5"), ("content-length", "6")], *REFUSED_H2, body="hello"
    ),
    h2(
        "transfer-encoding",
        [("transfer-encoding", "chunked")],
        "200",
        *REFUSED_H2,
        received=None,
        seen=("!transfer-encoding",),
        body="0\r\n\r\n" + SMUGGLED,
    ),
    h2("CRLF in a value", [("x-a", f"b\r\n{CHUNKED}")], *REFUSED_H2),
    h2("LF in a value", [("x-a", "b\ntransfer-encoding: chunked")], *REFUSED_H2),
    h2("CR in a value", [("x-a", "b\rc")], *REFUSED_H2),
    h2("NUL in a value", [("x-a", "b\0c")], *REFUSED_H2),
    h2("CRLF in a name", [("x-a\r\ntransfer-encoding: chunked\r\nx-b", "c")], *REFUSED_H2),
    h2(
        "a colon in a name",
        [("transfer-encoding:chunked", "c")],
        *REFUSED_H2,
        "200",
        received=None,
        seen=("!transfer-encoding",),
    ),
    h2("capitals in a name", [("X-A", "b")], *REFUSED_H2, "200", received=None),
    h2("CRLF in the path", [(":path", f"/raw/x HTTP/1.1\r\n{HOST}\r\n")], *REFUSED_H2),
    h2("a space in the path", [(":path", f"/raw/x HTTP/1.1 {NAME}")], *REFUSED_H2),
    h2("a path without a slash", [(":path", "raw/x")], *REFUSED_H2),
    h2(
        "CRLF in the method",
        [(":method", "GET /secret/x HTTP/1.1\r\nx-a: b\r\n\r\nGET")],
        *REFUSED_H2,
    ),
    h2("a space in the method", [(":method", "GET /secret/x")], *REFUSED_H2, "405"),
    h2("CRLF in the authority", [(":authority", f"{NAME}\r\nx-a: b")], *REFUSED_H2),
    h2("a user in the authority", [(":authority", f"{NAME}@evil.example")], *REFUSED_H2),
    h2(
        "a host besides the authority",
        [("host", "evil.example")],
        *REFUSED_H2,
        "200",
        received=None,
        seen=("!evil",),
    ),
    h2(
        "another scheme",
        [(":scheme", "http\r\nx-a: b")],
        *REFUSED_H2,
        "200",
        received=None,
        seen=("!x-a",),
    ),
    h2("two paths", [(":path", "/raw/x"), (":path", "/secret/x")], *REFUSED_H2),
    h2(
        "a pseudo header after others",
        [("x-a", "b"), (":path", "/raw/x")],
        *REFUSED_H2,
        "200",
        received=None,
    ),
    h2("an unknown pseudo header", [(":x", "b")], *REFUSED_H2),
    h2(
        "connection headers",
        [("connection", "upgrade"), ("upgrade", "h2c")],
        *REFUSED_H2,
        "200",
        received=None,
        seen=("!h2c", "!upgrade"),
    ),
    h2(
        "a tunnel for websockets",
        [(":method", "CONNECT"), (":protocol", "websocket")],
        *REFUSED_H2,
        "405",
    ),
    h2("a header of 40k", [("x-a", "b" * 16000)] * 3, *REFUSED_H2),
    h2("another site on the same connection", [(":authority", "blog.example.org")], "200", other=1),
    h2(
        "an unknown name on the same connection",
        [(":authority", "unknown.example.org")],
        *REFUSED_H2,
        "421",
    ),
    h2("a path to another application", [(":path", "/raw/%2e%2e/secret/x")], "403"),
    # --- garbage instead of TLS, and old versions
    Case("tls: plain HTTP", f"GET /raw/x HTTP/1.1\r\n{HOST}\r\n", ("400",), sni="-"),
    Case(
        "tls: SSLv2",
        "\x80\x2e\x01\0\x02\0\x15\0\0\0\x10\x01\0\x80" + "\x07\0\xc0" * 6,
        ("",),
        sni="-",
    ),
    Case("tls: noise", "\x16\x03\x01\x40\x00" + "\xff\x00" * 9000, ("", "alert"), sni="-"),
    Case("tls: a record without an end", "\x16\x03\x01\x02\x00\x01", ("", "alert"), sni="-"),
    Case("tls: 1.0", "", ("refused",), sni="TLSv1"),
    Case("tls: 1.1", "", ("refused",), sni="TLSv1_1"),
]


# --- the client -----------------------------------------------------------------------------------


def connect(sni: str | None = NAME, protocols: tuple[str, ...] = (), port: int = 443):
    line = socket.create_connection(("127.0.0.1", port), 10)
    line.settimeout(10)
    if port == 80 or sni == "-":
        return line
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    if sni and sni.startswith("TLSv1"):
        tls.set_ciphers("ALL:@SECLEVEL=0")
        tls.minimum_version = tls.maximum_version = ssl.TLSVersion[sni]
        sni = NAME
    if protocols:
        tls.set_alpn_protocols(list(protocols))
    return tls.wrap_socket(line, server_hostname=sni)


def everything(line, ends, silence: float) -> bytes:
    """What comes until the other side ends, or is silent for so many seconds."""
    line.settimeout(silence)
    text = b""
    with suppress(OSError):  # it is silent, or has reset the connection
        while not ends(text) and (part := line.recv(65536)):
            text += part
    return text


def frame(kind: int, flags: int, stream: int, content: bytes = b"") -> bytes:
    return struct.pack(">I", len(content))[1:] + struct.pack(">BBI", kind, flags, stream) + content


def hpack(headers: list[tuple[str, str]]) -> bytes:
    """Literals without an index and without Huffman's code: every byte as it is."""

    def number(value: int) -> bytes:
        if value < 127:
            return bytes([value])
        text, value = b"\x7f", value - 127
        while value > 127:
            text, value = text + bytes([value % 128 + 128]), value // 128
        return text + bytes([value])

    def literal(text: str) -> bytes:
        return number(len(text)) + text.encode("latin-1")

    return b"".join(b"\0" + literal(name) + literal(value) for name, value in headers)


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0)


def request_frames(headers: list[tuple[str, str]], body: str | None, stream: int = 1) -> bytes:
    block, end = hpack(headers), 0 if body is not None else 1
    blocks = [block[start : start + 16000] for start in range(0, len(block), 16000)]
    text = b""
    for index, part in enumerate(blocks):
        last = 4 if index == len(blocks) - 1 else 0
        text += frame(9 if index else 1, last | (0 if index else end), stream, part)
    if body is not None:
        text += frame(0, 1, stream, body.encode("latin-1"))
    return text


def frames(text: bytes):
    """Kind, flags and content of each whole frame."""
    while len(text) >= 9 and len(text) >= 9 + (length := int.from_bytes(text[:3], "big")):
        yield text[3], text[4], text[9 : 9 + length]
        text = text[9 + length :]


def has_ended(text: bytes) -> bool:
    """Whether the answer to the only request, or its refusal, is complete."""
    return any(kind in (3, 7) or (kind in (0, 1) and flags & 1) for kind, flags, _ in frames(text))


def http2_answer(text: bytes) -> tuple[str, str]:
    """The status, or how the request was refused; and the content."""
    from hpack import Decoder

    decoder, status, content = Decoder(), "", b""
    for kind, flags, inside in frames(text):
        if kind == 1:
            start = 1 if flags & 8 else 0
            found = dict(decoder.decode(inside[start:]))
            status = status or str(found.get(":status", found.get(b":status")))
        elif kind == 0:
            content += inside
        elif kind == 3:
            status = status or "reset"
        elif kind == 7:
            status = status or "goaway"
    return status, content.decode("latin-1")


def attempt(case: Case, silence: float = 0.7) -> tuple[str, str]:
    """What the client gets: the statuses of all answers, and their text."""
    http2 = not isinstance(case.send, str)
    try:
        line = connect(case.sni, ("h2",) if http2 else (), case.port)
    except (ssl.SSLError, ConnectionError):
        return "refused", ""
    with line:
        if http2:
            send = PREFACE + request_frames(case.send, case.body)
        else:
            send = case.send.encode("latin-1")
        with suppress(OSError):  # refused before all of it was sent
            line.sendall(send)
        text = everything(line, has_ended if http2 else lambda text: False, silence)
    if http2:
        return http2_answer(text)
    plain = text.decode("latin-1")
    if plain[:1] == "\x15":
        return "alert", plain
    return " ".join(re.findall(r"(?m)^HTTP/1\.[01] (\d{3})", plain)), plain


def records() -> dict[str, list[str]]:
    """What each server received since the last question, from its own socket."""
    found: dict[str, list[str]] = {}
    for name in RECORDERS:
        for place in Path(f"/var/lib/flaskops/apps/{name}/releases").glob("*/run/app.sock"):
            with socket.socket(socket.AF_UNIX) as line:
                line.settimeout(5)
                try:
                    line.connect(str(place))
                except OSError:
                    continue  # of a release that has ended
                line.sendall(b"GET /records HTTP/1.1\r\n\r\n")
                text = b""
                while not text.endswith(b"]"):
                    text += line.recv(65536)
                taken = json.loads(text.partition(b"\r\n\r\n")[2])
                found[name] = [base64.b64decode(one).decode("latin-1") for one in taken]
    return found


def cases() -> None:
    records()
    found = {}
    for case in CASES:
        status, text = attempt(case)
        found[case.name] = {"status": status, "text": text[-2000:], "received": records()}
    print(json.dumps(found))


# --- many of them at once -------------------------------------------------------------------------


def start(kind: str):
    """One connection that keeps the other side waiting."""
    line = connect(protocols=("h2",) if kind.startswith("h2") else ())
    line.sendall(
        {
            "idle": b"",
            "headers": b"GET /raw/x HTTP/1.1\r\n",
            "body": f"POST /raw/x HTTP/1.1\r\n{HOST}Content-Length: 1000\r\n\r\n".encode(),
            "chunks": f"POST /raw/x HTTP/1.1\r\n{HOST}{CHUNKED}\r\n".encode(),
            "h2-idle": PREFACE,
            "h2-body": PREFACE
            + b"".join(
                request_frames(CASES_BY_NAME["h2: a body"].send, "", stream)[:-9]
                for stream in range(1, 21, 2)
            ),
            "h2-headers": PREFACE + frame(1, 0, 1, hpack([("x-a", "b")])),
            "h2-reset": PREFACE
            + b"".join(
                request_frames(CASES_BY_NAME["h2: a request"].send, None, stream)
                + frame(3, 0, stream, b"\0\0\0\x08")
                for stream in range(1, 401, 2)
            ),
        }[kind]
    )
    return line


MORE = {
    "headers": b"X-A: b\r\n",
    "body": b"x",
    "chunks": b"1\r\nx\r\n",
    "h2-idle": frame(6, 0, 0, bytes(8)),
    "h2-body": frame(0, 0, 1, b"x"),
    "h2-headers": frame(9, 0, 1, hpack([("x-a", "b")])),
}
CASES_BY_NAME = {case.name: case for case in CASES}


def crowd(kind: str, count: int) -> None:
    """Let `count` connections keep Nginx waiting; others ask while they open, and three seconds
    more.
    """
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
    lines, waited, answers = [], [], Counter()
    done = threading.Event()

    def trickle() -> None:
        while not done.wait(0.5):
            for line in lines[:] if kind in MORE else ():
                with suppress(OSError):  # Nginx has had enough
                    line.sendall(MORE[kind])

    def open_some() -> None:
        for _ in range(count // 4):
            lines.append(start(kind))

    opening = [threading.Thread(target=open_some) for _ in range(4)]
    for thread in (*opening, threading.Thread(target=trickle, daemon=True)):
        thread.start()
    # A flood of whole requests keeps the application busy; others ask another one.
    case = CASES_BY_NAME["name: another site" if kind == "h2-reset" else "name: another port"]
    until = time.monotonic() + 3
    while (now := time.monotonic()) < until:
        status, _ = attempt(case, silence=5)
        answers[status] += 1
        waited.append(time.monotonic() - now)
        if any(thread.is_alive() for thread in opening):
            until = time.monotonic() + 3
        time.sleep(0.05)
    done.set()
    waited.sort()
    found = {
        "connections": len(lines),
        "answers": answers,
        "median": round(waited[len(waited) // 2], 3),
        "longest": round(waited[-1], 3),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    cases() if sys.argv[1] == "cases" else crowd(sys.argv[2], int(sys.argv[3]))

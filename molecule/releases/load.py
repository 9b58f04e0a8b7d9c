"""Load on the test host: wrk, together with what wrk cannot do: slow answers, slow uploads, and
websockets that stay open; for https also HTTP/2, by h2load.

    python3 load.py URL OUTPUT      until SIGTERM; then the counts are in OUTPUT, as JSON

Every request has its own connection, so that a count of 0 is reliable: on a persistent connection,
any server may close the connection while a request is on its way, and the client must expect that
(RFC 9112, 9.5).
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import signal
import ssl
import sys
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

SLOW_SECONDS = 3
SLOW, UPLOADS, WEBSOCKETS = 4, 2, 4
WRK = """
wrk.headers["Connection"] = "close"
function delay() return 60 end
function done(summary, latency, requests)
    local e = summary.errors
    local form = '{"requests": %d, "status": %d, "connect": %d, "read": %d, "write": %d, ' ..
        '"timeout": %d, "longest": %.3f}'
    io.stderr:write(string.format(form, summary.requests,
        e.status, e.connect, e.read, e.write, e.timeout, latency.max / 1000000))
end
"""

counts: Counter[str] = Counter()
problems: list[str] = []
# When the version changed: between the last request that the old version answered, and the first
# answer of the new one.
changed: list[tuple[float, float]] = []
closed: list[float] = []  # when a server closed a websocket
stopping = asyncio.Event()


def connect(url):
    """A connection; the certificate is not checked, which other tests do."""
    tls = None
    if url.scheme == "https":
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    return asyncio.open_connection(url.hostname, url.port or (443 if tls else 80), ssl=tls)


def problem(kind: str, what: str) -> None:
    counts[kind] += 1
    if len(problems) < 10:
        problems.append(f"{time.time():.3f} {kind}: {what}")


async def exchange(url, head: str, parts, check, kind: str) -> None:
    """Send one request on its own connection, and check its whole answer."""
    try:
        reader, writer = await connect(url)
    except OSError as error:
        problem("refused", f"{kind}: {error}")
        return
    try:
        writer.write(head.encode())
        for part, pause in parts:
            await writer.drain()
            await asyncio.sleep(pause)
            writer.write(part)
        await writer.drain()
        answer = await asyncio.wait_for(reader.read(-1), 60)
        top, _, body = answer.partition(b"\r\n\r\n")
        status = top.split(b" ", 2)[1:2]
        if status != [b"200"]:
            problem("failed", f"{kind}: {top[:60]!r}")
        elif not check(body):
            problem("truncated", f"{kind}: {len(body)} bytes")
        else:
            counts[kind] += 1
    except (OSError, asyncio.IncompleteReadError, TimeoutError, asyncio.TimeoutError) as error:
        problem("failed", f"{kind}: {error!r}")
    finally:
        writer.close()


async def slow(url) -> None:
    head = (
        f"GET {url.path}slow?seconds={SLOW_SECONDS} HTTP/1.1\r\nHost: {url.hostname}\r\nConnection:"
        " close\r\n\r\n"
    )
    while not stopping.is_set():
        await exchange(url, head, [], lambda body: body == b"s" * 65536, "slow")


async def watch(url) -> None:
    """Request the version ten times a second."""
    head = f"GET {url.path} HTTP/1.1\r\nHost: {url.hostname}\r\nConnection: close\r\n\r\n"
    before: tuple[float, bytes] | None = None  # the last answer, with the time of its request
    while not stopping.is_set():
        asked, answer = time.monotonic(), b""

        def check(body: bytes) -> bool:
            nonlocal answer
            answer = body
            return body.startswith(b"version ")

        await exchange(url, head, [], check, "version")
        if answer and before and answer != before[1]:
            changed.append((before[0], time.monotonic()))
        before = (asked, answer) if answer else before
        await asyncio.sleep(0.1)


async def upload(url) -> None:
    """Send 256 KiB in a second; Nginx forwards them only when it has all of them."""
    content = os.urandom(262144)
    wanted = sha256(content).hexdigest().encode()
    head = (
        f"POST {url.path}upload HTTP/1.1\r\nHost: {url.hostname}\r\nConnection:"
        f" close\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    parts = [(content[start : start + 26215], 0.1) for start in range(0, len(content), 26215)]
    while not stopping.is_set():
        await exchange(url, head, parts, lambda body: body == wanted, "upload")


async def websocket(url) -> None:
    """Echo five times a second. A server may close the websocket when its drain is over; then it is
    opened again.
    """
    while not stopping.is_set():
        try:
            reader, writer = await connect(url)
        except OSError as error:
            problem("refused", f"websocket: {error}")
            continue
        try:
            key = base64.b64encode(os.urandom(16)).decode()
            writer.write(
                f"GET {url.path}ws HTTP/1.1\r\nHost: {url.hostname}\r\nConnection:"
                " Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key:"
                f" {key}\r\n\r\n".encode()
            )
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
            if b" 101 " not in head.split(b"\r\n")[0]:
                problem("failed", f"websocket: {head[:60]!r}")
                await asyncio.sleep(0.2)
                continue
            counts["websockets"] += 1
            while not stopping.is_set():
                writer.write(b"\x81\x84\0\0\0\0ping")
                start = await asyncio.wait_for(reader.readexactly(2), 30)
                if start[0] & 15 == 8:
                    raise asyncio.IncompleteReadError(start, 2)
                await asyncio.wait_for(reader.readexactly(start[1] & 127), 30)
                counts["echoes"] += 1
                await asyncio.sleep(0.2)
        except (OSError, asyncio.IncompleteReadError):
            counts["websockets closed"] += 1
            closed.append(time.monotonic())
        except (TimeoutError, asyncio.TimeoutError) as error:
            problem("failed", f"websocket: {error!r}")
        finally:
            writer.close()


async def http2(url) -> None:
    """Forty requests on four new connections, again and again."""
    counts["http2"] = 0
    while not stopping.is_set():
        h2load = await asyncio.create_subprocess_exec(
            *("h2load", "--requests", "40", "--clients", "4", "--max-concurrent-streams", "10"),
            *("--connection-inactivity-timeout", "30", url.geturl()),
            stdout=asyncio.subprocess.PIPE,
        )
        said = (await h2load.communicate())[0].decode()
        found = {word: int(number) for number, word in re.findall(r"(\d+) (\w+)[,\n]", said)}
        broken = found.get("errored", 40)  # "failed" counts them too
        counts["http2"] += found.get("2xx", 0)
        counts["failed"] += found.get("failed", 40) - broken
        counts["truncated"] += broken
        if (found.get("2xx"), found.get("failed")) != (40, 0) and len(problems) < 10:
            problems.append(f"{time.time():.3f} h2load: {said}")
        await asyncio.sleep(0.2)


async def main() -> None:
    url, output = urlsplit(sys.argv[1]), Path(sys.argv[2])
    script = output.with_suffix(".lua")
    script.write_text(WRK)
    wrk = await asyncio.create_subprocess_exec(
        "wrk",
        *("--threads", "1", "--connections", "10", "--duration", "3600", "--timeout", "30"),
        *("--script", str(script), url.geturl()),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    tasks = [asyncio.create_task(slow(url)) for _ in range(SLOW)]
    tasks.append(asyncio.create_task(watch(url)))
    tasks += [asyncio.create_task(upload(url)) for _ in range(UPLOADS)]
    tasks += [asyncio.create_task(websocket(url)) for _ in range(WEBSOCKETS)]
    if url.scheme == "https":
        tasks.append(asyncio.create_task(http2(url)))
    output.with_suffix(".started").touch()
    await stopping.wait()
    wrk.send_signal(signal.SIGINT)
    output_of_wrk = (await wrk.communicate())[1]
    await asyncio.gather(*tasks)
    plain = json.loads(output_of_wrk)
    counts["requests"] += plain["requests"] - plain["status"]
    counts["failed"] += plain["status"]
    counts["refused"] += plain["connect"]
    counts["truncated"] += plain["read"] + plain["write"] + plain["timeout"]
    if any(plain[name] for name in ("status", "connect", "read", "write", "timeout")):
        problems.append(f"wrk: {output_of_wrk.decode()}")
    aside = output.with_suffix(".part")
    found = {
        "counts": counts,
        "problems": problems,
        "longest": plain["longest"],
        "changed": changed,
        "closed": closed,
    }
    aside.write_text(json.dumps(found))
    aside.replace(output)


asyncio.run(main())

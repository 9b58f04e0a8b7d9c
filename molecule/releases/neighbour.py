"""The open connections of an application's neighbour: a download, an event stream and a websocket,
together with one long upload.

    python3 neighbour.py NEIGHBOUR UPLOAD SECONDS OUTPUT

NEIGHBOUR and UPLOAD are the paths of two applications. The upload takes SECONDS; the others stay
open until SIGTERM, then the download is read completely. The result of each is in OUTPUT, as JSON.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import sys
import time
from hashlib import sha256
from pathlib import Path

SIZE = 192 << 20
stopping = asyncio.Event()
found: dict[str, dict[str, object]] = {}


async def ask(request: str, *headers: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection and send the head of a request on it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", 80, limit=65536)
    writer.write(
        "".join(
            f"{line}\r\n" for line in (f"{request} HTTP/1.1", "Host: localhost", *headers, "")
        ).encode()
    )
    return reader, writer


async def head(reader: asyncio.StreamReader) -> int:
    top = await reader.readuntil(b"\r\n\r\n")
    return int(top.split(b" ", 2)[1])


async def download(path: str) -> None:
    """Read a little at a time, for as long as the deploys last."""
    reader, _writer = await ask(f"GET {path}/rows", "Connection: close")
    status, size = await head(reader), 0
    while chunk := await reader.read(16384 if not stopping.is_set() else 1 << 20):
        size += len(chunk)
        if not stopping.is_set():
            await asyncio.sleep(0.1)
    found["download"] = {
        "status": status,
        "bytes": size,
        "whole": size == SIZE and stopping.is_set(),
    }


async def events(path: str) -> None:
    reader, _writer = await ask(f"GET {path}/ticks", "Connection: close")
    status, wanted, longest = await head(reader), 0, 0.0
    last = time.monotonic()
    while not stopping.is_set():
        line = await asyncio.wait_for(reader.readline(), 20)
        if not line:
            break
        if line.startswith(b"data: "):
            if int(line[6:]) != wanted:
                break
            wanted += 1
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
    found["events"] = {
        "status": status,
        "events": wanted,
        "longest": round(longest, 2),
        "whole": stopping.is_set(),
    }


async def websocket(path: str) -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    words = (
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
    )
    reader, writer = await ask(f"GET {path}/ws", *words)
    status, echoes = await head(reader), 0
    try:
        while not stopping.is_set():
            writer.write(b"\x81\x84\0\0\0\0ping")
            start = await asyncio.wait_for(reader.readexactly(2), 20)
            if start[0] & 15 == 8:
                break
            await reader.readexactly(start[1] & 127)
            echoes += 1
            await asyncio.sleep(0.2)
    except (OSError, asyncio.IncompleteReadError):
        pass
    found["websocket"] = {"status": status, "echoes": echoes, "whole": stopping.is_set()}


async def upload(path: str, seconds: float) -> None:
    content = os.urandom(1 << 20)
    reader, writer = await ask(
        f"POST {path}/upload", "Connection: close", f"Content-Length: {len(content)}"
    )
    step = len(content) // 100
    started = time.monotonic()
    for begin in range(0, len(content), step):
        writer.write(content[begin : begin + step])
        await writer.drain()
        await asyncio.sleep(seconds / 100)
    taken = time.monotonic() - started
    status = await asyncio.wait_for(head(reader), 30)
    body = await reader.read(-1)
    found["upload"] = {
        "status": status,
        "seconds": round(taken, 1),
        "whole": body == sha256(content).hexdigest().encode(),
    }


async def main() -> None:
    neighbour, other, seconds, output = (
        sys.argv[1],
        sys.argv[2],
        float(sys.argv[3]),
        Path(sys.argv[4]),
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    tasks = {
        "download": download(neighbour),
        "events": events(neighbour),
        "websocket": websocket(neighbour),
        "upload": upload(other, seconds),
    }
    output.with_suffix(".started").touch()
    for name, result in zip(
        tasks, await asyncio.gather(*tasks.values(), return_exceptions=True), strict=True
    ):
        if isinstance(result, BaseException):
            found[name] = {"whole": False, "error": repr(result)}
    aside = output.with_suffix(".part")
    aside.write_text(json.dumps(found))
    aside.replace(output)


asyncio.run(main())

"""A server that understands little and keeps everything: the bytes of each connection as they came.

    python3 server.py SOCKET

Two requests at a time, like the workers of a small application. GET /records, which no site leads
to, answers and forgets what the connections brought so far.
"""

import base64
import json
import re
import socket
import sys
import threading
from pathlib import Path

records = []
free = threading.Semaphore(2)


def until(line, record, condition):
    """Read until the condition holds, or the other side has ended."""
    while not condition():
        part = line.recv(65536)
        if not part:
            return False
        record += part
    return True


def body_is_complete(record):
    head, _, body = bytes(record).partition(b"\r\n\r\n")
    if re.search(rb"(?im)^transfer-encoding:", head):
        return body.endswith(b"0\r\n\r\n")
    length = re.search(rb"(?im)^content-length: *(\d+)", head)
    return len(body) >= int(length[1] if length else 0)


def answer(line):
    record = bytearray()
    with line:
        # Whoever sends nothing, as the check of a socket does, is not recorded.
        if not until(line, record, lambda: b"\r\n\r\n" in record):
            return
        if record.startswith(b"GET /records HTTP"):
            taken, records[:] = list(records), []
            text = json.dumps([base64.b64encode(one).decode() for one in taken]).encode()
        else:
            if b"/health HTTP" not in record.split(b"\r\n")[0]:
                records.append(record)
            text = b"recorded\n"
        with free:
            if not until(line, record, lambda: body_is_complete(record)):
                return
            line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))
            # Whatever follows on the connection belongs to the record too.
            until(line, record, lambda: False)


Path(sys.argv[1]).unlink(missing_ok=True)  # of the container before a reboot
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(512)
while True:
    threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

"""A server that answers well so many times (AFTER), and then in a way (WAY) that holds up, fills up or misleads who asks."""

import os
import socket
import threading
import time

WELL = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"
# What is sent at first, what again and again, and the seconds between.
WAYS = {
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.4),
    "flood": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 0),
    "drip": (b"HTTP/1.1 200 OK\r\nX: ", b"x", 0.4),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 8000 + b"\r\n", 0),
    "silent": (b"", b"", 1),
    "escapes": (b"HTTP/1.1 500 \x1b[2J\r\nX: \x1b]0;owned\x07\r\nContent-Length: 18\r\n\r\n\x1b[2J\xe2\x80\xae\xc2\x9b2Jescaped", None, 0),
}
left = int(os.environ["AFTER"])
first, again, pause = WAYS[os.environ["WAY"]]


def answer(line: socket.socket, well: bool) -> None:
    try:
        line.recv(65536)
        line.sendall(WELL if well else first)
        while not well and again is not None:
            line.sendall(again)
            time.sleep(pause)
    except OSError:
        pass
    finally:
        line.close()


print("\x1b[2J\x1b[1;1Hall is well\u202e\x9b2J", flush=True)
listener = socket.socket(socket.AF_UNIX)
listener.bind(os.environ["FLASKOPS_SOCKET"])
os.chmod(os.environ["FLASKOPS_SOCKET"], 0o666)
listener.listen(64)
while True:
    line, _ = listener.accept()
    left -= 1
    threading.Thread(target=answer, args=(line, left >= 0), daemon=True).start()

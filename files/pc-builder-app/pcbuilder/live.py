"""The messages on the websocket: prices every few seconds, and an echo for connection tests."""

from __future__ import annotations

import json
import time

from . import market
from .catalogue import Catalogue
from .websocket import Closed, Connection


def stream(connection: Connection, catalogue: Catalogue, since: int) -> None:
    """Send messages until the client leaves. `since` is the tick of the prices that the client
    already shows.

    A message is sent every TICK_SECONDS even when no price moved, so that no proxy on the way
    considers the connection idle.
    """
    due = time.monotonic() + market.TICK_SECONDS
    try:
        while True:
            text = connection.receive(timeout=max(0.0, due - time.monotonic()))
            if text is not None:
                connection.send(json.dumps({"type": "echo", "text": text}))
            if time.monotonic() >= due:
                tick = market.current_tick()
                news = market.changes(catalogue.components, since, tick)
                connection.send(json.dumps({"type": "prices", "tick": tick, "changes": news}))
                since, due = tick, due + market.TICK_SECONDS
    except Closed:
        return

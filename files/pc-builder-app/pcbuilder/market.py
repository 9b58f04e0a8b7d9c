"""Live prices and stock without a database.

A quote is a pure function of component and tick (a count of TICK_SECONDS), so every process of
every container shows the same price at the same time, and the price of an old order can be computed
again.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from .catalogue import Component

TICK_SECONDS = 3
SWING = 0.04  # a price stays within 4 % of the list price


@dataclass(frozen=True)
class Quote:
    """The price of a component (in cents) and its stock, at one tick."""

    price: int
    stock: int


def current_tick() -> int:
    return int(time.time() // TICK_SECONDS)


def quote(component: Component, tick: int) -> Quote:
    """A price stays for 5 to 16 ticks, depending on the component, and then moves."""
    seed = _noise(component.id)
    epoch = (tick + seed % 97) // (5 + seed % 12)
    noise = _noise(f"{component.id}:{epoch}")
    swing = (noise % 2001 / 1000 - 1) * SWING
    cents = round(component.price * 100 * (1 + swing) / 10) * 10
    return Quote(price=cents, stock=max(1, component.stock - noise // 2001 % 4))


def changes(components: Iterable[Component], since: int, tick: int) -> list[dict[str, str | int]]:
    """The quotes that differ between two ticks, as they are sent to the browser."""
    result: list[dict[str, str | int]] = []
    for component in components:
        before, now = quote(component, since), quote(component, tick)
        if before != now:
            result.append(
                {
                    "id": component.id,
                    "price": now.price,
                    "stock": now.stock,
                    "move": now.price - before.price,
                }
            )
    return result


def _noise(text: str) -> int:
    return zlib.crc32(text.encode())

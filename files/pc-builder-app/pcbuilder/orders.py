"""Orders: checking the form, and an order number that contains the whole order.

Nothing is stored: any process that answers the confirmation page reads the order from its number.
The number is compressed, but neither secret nor signed (a visitor who changes it sees another
order, at the prices of that moment), so it does not contain the e-mail address.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from . import market
from .builds import Build, read_build
from .catalogue import Catalogue

EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
LARGEST_QUANTITY = 20
LONGEST_NAME = 40
LARGEST_NUMBER = 4096  # bytes of an order number after decompression


@dataclass(frozen=True)
class Delivery:
    name: str
    price: int  # cents


DELIVERIES = {
    "pickup": Delivery("Pick up in the shop", 0),
    "parcel": Delivery("Parcel, in 2 to 3 days", 990),
    "courier": Delivery("Courier, tomorrow", 2490),
}


class InvalidOrder(ValueError):
    """An order number that does not contain an order."""


@dataclass(frozen=True)
class Order:
    """An accepted order, with the prices of the tick at which it was placed."""

    name: str
    quantity: int
    delivery: str
    build: Build
    tick: int

    @property
    def total(self) -> int:
        return self.quantity * self.build.total(self.tick) + DELIVERIES[self.delivery].price

    @property
    def number(self) -> str:
        """The whole order, encoded for a URL."""
        fields = [self.name, self.quantity, self.delivery, self.tick, self.build.query()]
        packed = zlib.compress(json.dumps(fields, separators=(",", ":")).encode(), 9)
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")

    @property
    def reference(self) -> str:
        """A short form of the number, for people."""
        return "PC-" + hashlib.sha256(self.number.encode()).hexdigest()[:8].upper()


def read_order(
    form: Mapping[str, str], catalogue: Catalogue
) -> tuple[Order | None, dict[str, str]]:
    """Check an order form: return the order, or the errors of all fields."""
    errors: dict[str, str] = {}
    name = form.get("name", "").strip()
    email = form.get("email", "").strip()
    quantity = form.get("quantity", "").strip()
    delivery = form.get("delivery", "")
    build, unknown = read_build(form, catalogue)

    if not name or len(name) > LONGEST_NAME:
        errors["name"] = f"Give your build a name of 1 to {LONGEST_NAME} characters."
    if len(email) > 254 or not EMAIL.fullmatch(email):
        errors["email"] = "Write an e-mail address such as ada@example.org."
    if not re.fullmatch(r"[0-9]{1,2}", quantity) or not 1 <= int(quantity) <= LARGEST_QUANTITY:
        errors["quantity"] = f"Order between 1 and {LARGEST_QUANTITY} pieces."
    if delivery not in DELIVERIES:
        errors["delivery"] = "Choose one of the ways of delivery."
    if unknown:
        errors["build"] = " ".join(unknown)
    elif not build.parts:
        errors["build"] = "Choose at least one part in the builder first."
    elif problems := build.problems():
        errors["build"] = "These parts do not fit together: " + " ".join(problems)

    if errors:
        return None, errors
    return Order(name, int(quantity), delivery, build, market.current_tick()), {}


def decode(number: str, catalogue: Catalogue) -> Order:
    """Read an order from its number; raise InvalidOrder if the number does not contain one."""
    try:
        packed = base64.b64decode(number + "=" * (-len(number) % 4), altchars=b"-_", validate=True)
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(packed, LARGEST_NUMBER)
        if not unpacker.eof:
            raise InvalidOrder("truncated, or too large")
        name, quantity, delivery, tick, query = json.loads(text)
    except (ValueError, TypeError, binascii.Error, zlib.error, RecursionError) as error:
        raise InvalidOrder(f"not an order number: {error}") from error
    _check(name, quantity, delivery, tick, query)
    build, unknown = read_build(query, catalogue)
    if unknown or not build.parts:
        raise InvalidOrder("holds parts that are no longer sold")
    return Order(name, quantity, delivery, build, tick)


def _check(name: object, quantity: object, delivery: object, tick: object, query: object) -> None:
    """Check the type and the range of each field as read_order does: anybody may have written the
    number.
    """
    good = (
        isinstance(name, str)
        and 1 <= len(name) <= LONGEST_NAME
        and type(quantity) is int
        and 1 <= quantity <= LARGEST_QUANTITY
        and isinstance(delivery, str)
        and delivery in DELIVERIES
        and type(tick) is int
        and 0
        <= tick
        <= market.current_tick() + 20  # the clocks of two hosts may differ by a minute
        and isinstance(query, dict)
        and all(isinstance(part, str) for part in query.values())
    )
    if not good:
        raise InvalidOrder("holds fields that no order has")

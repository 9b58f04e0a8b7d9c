"""Order forms and order numbers, including malicious ones."""

from __future__ import annotations

import base64
import json
import zlib

import pytest
from app import catalogue
from pcbuilder import market
from pcbuilder.orders import InvalidOrder, decode, read_order

FORM = {
    "cpu": "cpu-kestrel-5g",
    "name": "Owl",
    "email": "ada@example.org",
    "quantity": "2",
    "delivery": "courier",
}


def number_of(value: object) -> str:
    packed = zlib.compress(value if isinstance(value, bytes) else json.dumps(value).encode())
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def test_an_order_number_contains_the_order_but_not_the_address():
    order, errors = read_order({**FORM, "name": "Eule “Ø” <b>"}, catalogue)
    assert errors == {}
    assert decode(order.number, catalogue) == order
    unpacked = zlib.decompress(
        base64.urlsafe_b64decode(order.number + "=" * (-len(order.number) % 4))
    )
    assert b"example.org" not in unpacked


def test_the_total_is_that_of_the_moment_of_the_order():
    order, _ = read_order(FORM, catalogue)
    piece = market.quote(catalogue.get("cpu-kestrel-5g"), order.tick).price
    assert decode(order.number, catalogue).total == 2 * piece + 2490


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", " ", "Give your build a name of 1 to 40 characters."),
        ("name", "x" * 41, "Give your build a name of 1 to 40 characters."),
        ("email", "", "Write an e-mail address such as ada@example.org."),
        ("email", "ada@example", "Write an e-mail address such as ada@example.org."),
        ("email", "a b@example.org", "Write an e-mail address such as ada@example.org."),
        ("quantity", "0", "Order between 1 and 20 pieces."),
        ("quantity", "21", "Order between 1 and 20 pieces."),
        ("quantity", "two", "Order between 1 and 20 pieces."),
        ("quantity", "²", "Order between 1 and 20 pieces."),
        ("delivery", "pigeon", "Choose one of the ways of delivery."),
        ("cpu", "", "Choose at least one part in the builder first."),
        ("cpu", "x", "There is no processor called “x”; choose one from the builder."),
        (
            "motherboard",
            "board-quarry-pro",
            "These parts do not fit together: Kestrel 5G needs socket AM5; Quarry Pro has LGA1700.",
        ),
    ],
)
def test_a_wrong_field_is_named(field, value, message):
    order, errors = read_order({**FORM, field: value}, catalogue)
    assert order is None
    assert list(errors.values()) == [message]


def test_for_an_empty_form_all_errors_are_reported_together():
    _, errors = read_order({}, catalogue)
    assert errors.keys() == {"name", "email", "quantity", "delivery", "build"}


@pytest.mark.parametrize(
    "number",
    [
        "",
        "nonsense",
        "ü",
        number_of(b"not json"),
        number_of([]),
        number_of({"a": 1}),
        number_of(None),
        number_of(b"[" * 3000),
        number_of(b"0" * 50_000_000),
        number_of([1, 1, "parcel", 1, {"cpu": "cpu-kestrel-5g"}]),
        number_of(["x", True, "parcel", 1, {"cpu": "cpu-kestrel-5g"}]),
        number_of(["x", 99, "parcel", 1, {"cpu": "cpu-kestrel-5g"}]),
        number_of(["x", 1, ["parcel"], 1, {"cpu": "cpu-kestrel-5g"}]),
        number_of(["x", 1, "parcel", -1, {"cpu": "cpu-kestrel-5g"}]),
        number_of(["x", 1, "parcel", 10**20, {"cpu": "cpu-kestrel-5g"}]),
        number_of(["x", 1, "parcel", 1, ["cpu"]]),
        number_of(["x", 1, "parcel", 1, {"cpu": ["cpu-kestrel-5g"]}]),
        number_of(["x", 1, "parcel", 1, {"cpu": "gone"}]),
        number_of(["x", 1, "parcel", 1, {}]),
    ],
)
def test_a_number_without_an_order_is_refused(number):
    with pytest.raises(InvalidOrder):
        decode(number, catalogue)

"""The components on sale, loaded once from data/components.json."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COMMON = ("id", "category", "name", "price", "watts", "stock")


@dataclass(frozen=True)
class Category:
    """A slot of the build, such as the processor."""

    id: str
    name: str
    hint: str


@dataclass(frozen=True)
class Component:
    """A part; the fields of its category (socket, length, ...) are in `specs`."""

    id: str
    category: str
    name: str
    price: int  # list price in whole euros
    watts: int
    stock: int
    specs: dict[str, Any] = field(default_factory=dict, hash=False)

    def __getitem__(self, spec: str) -> Any:
        return self.specs[spec]

    @property
    def summary(self) -> str:
        """The specs in a few words, for people."""
        return " · ".join(
            _in_words(key, value) for key, value in self.specs.items() if value is not False
        )

    def fields(self) -> dict[str, Any]:
        """All fields in one flat dictionary, as in the data file."""
        return {**{key: getattr(self, key) for key in COMMON}, **self.specs}


@dataclass(frozen=True)
class Preset:
    """A complete build to start from."""

    id: str
    name: str
    text: str
    parts: dict[str, Component]  # by category id


class Catalogue:
    """All categories, components and presets, with look-ups by id."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.categories = tuple(Category(**item) for item in data["categories"])
        self.components = tuple(_component(item) for item in data["components"])
        self._by_id = {component.id: component for component in self.components}
        self.presets = tuple(self._preset(item) for item in data["presets"])

    @classmethod
    def load(cls, path: Path) -> Catalogue:
        return cls(json.loads(path.read_text(encoding="utf-8")))

    def get(self, component_id: str) -> Component | None:
        return self._by_id.get(component_id)

    def of_category(self, category_id: str) -> list[Component]:
        return sorted(
            (c for c in self.components if c.category == category_id), key=lambda c: c.price
        )

    def _preset(self, item: dict[str, Any]) -> Preset:
        parts = [self._by_id[part] for part in item["parts"]]
        return Preset(
            item["id"], item["name"], item["text"], {part.category: part for part in parts}
        )


def _component(item: dict[str, Any]) -> Component:
    common = {key: item[key] for key in COMMON}
    return Component(
        **common, specs={key: value for key, value in item.items() if key not in common}
    )


def _in_words(key: str, value: Any) -> str:
    words = {
        "cores": "{} cores",
        "height_mm": "{} mm high",
        "length_mm": "{} mm long",
        "max_card_mm": "cards to {} mm",
        "max_cooler_mm": "coolers to {} mm",
        "memory_gb": "{} GB",
        "output_watts": "{} W",
        "rated_watts": "cools {} W",
    }
    if key == "integrated_graphics":
        return "graphics built in"
    if key == "size_gb":
        return f"{value // 1000} TB" if value >= 1000 else f"{value} GB"
    if isinstance(value, list):
        return ", ".join(value)
    return words.get(key, "{}").format(value)

"""A build: one component per category, what it costs, and whether its parts fit together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from . import market
from .catalogue import Catalogue, Category, Component

RESERVE = 1.3  # a power supply should deliver 30 % more than the parts draw


@dataclass(frozen=True)
class Hint:
    """A remark on a build. `level` is problem (does not work), warning or info."""

    level: str
    text: str


@dataclass(frozen=True)
class Build:
    """The chosen components, by category id."""

    parts: dict[str, Component]

    @property
    def watts(self) -> int:
        return sum(part.watts for part in self.parts.values())

    def total(self, tick: int) -> int:
        """The price of all parts in cents."""
        return sum(market.quote(part, tick).price for part in self.parts.values())

    def query(self) -> dict[str, str]:
        """The build as the arguments of a link."""
        return {category: part.id for category, part in self.parts.items()}

    def missing(self, catalogue: Catalogue) -> list[Category]:
        """What a complete PC still needs; a processor with graphics built in needs no card."""
        cpu = self.parts.get("cpu")
        unneeded = {"graphics"} if cpu and cpu["integrated_graphics"] else set()
        return [c for c in catalogue.categories if c.id not in self.parts and c.id not in unneeded]

    def problems(self) -> list[str]:
        return [hint.text for hint in hints(self) if hint.level == "problem"]


def read_build(arguments: Mapping[str, str], catalogue: Catalogue) -> tuple[Build, list[str]]:
    """Read a build from query or form arguments. Unknown parts are left out; the second value lists
    them.
    """
    parts: dict[str, Component] = {}
    unknown: list[str] = []
    for category in catalogue.categories:
        if not (wanted := arguments.get(category.id, "")):
            continue
        component = catalogue.get(wanted)
        if component and component.category == category.id:
            parts[category.id] = component
        else:
            unknown.append(
                f"There is no {category.name.lower()} called “{wanted[:40]}”; choose one from the"
                " builder."
            )
    return Build(parts), unknown


def hints(build: Build) -> list[Hint]:
    """All remarks on a build, problems first."""
    return sorted(
        _hints(build.parts, build.watts),
        key=lambda hint: ("problem", "warning", "info").index(hint.level),
    )


def _hints(parts: dict[str, Component], watts: int) -> Iterator[Hint]:
    cpu, board, memory = parts.get("cpu"), parts.get("motherboard"), parts.get("memory")
    card, cooler, case, psu = (
        parts.get("graphics"),
        parts.get("cooler"),
        parts.get("case"),
        parts.get("psu"),
    )

    if cpu and board and cpu["socket"] != board["socket"]:
        yield Hint(
            "problem",
            f"{cpu.name} needs socket {cpu['socket']}; {board.name} has {board['socket']}.",
        )
    if memory and board and memory["memory_type"] != board["memory_type"]:
        yield Hint(
            "problem",
            f"{board.name} takes {board['memory_type']}; {memory.name} is {memory['memory_type']}.",
        )
    if board and case and board["form_factor"] not in case["form_factors"]:
        yield Hint("problem", f"{case.name} has no room for {board.name} ({board['form_factor']}).")
    if card and case and card["length_mm"] > case["max_card_mm"]:
        yield Hint(
            "problem",
            f"{card.name} is {card['length_mm']} mm long; {case.name} takes"
            f" {case['max_card_mm']} mm.",
        )
    if cooler and case and cooler["height_mm"] > case["max_cooler_mm"]:
        yield Hint(
            "problem",
            f"{cooler.name} is {cooler['height_mm']} mm high; {case.name} takes"
            f" {case['max_cooler_mm']} mm.",
        )
    if cpu and cooler and cpu["socket"] not in cooler["sockets"]:
        yield Hint("problem", f"{cooler.name} does not fit socket {cpu['socket']}.")
    if cpu and cooler and cpu.watts > cooler["rated_watts"]:
        yield Hint(
            "warning",
            f"{cpu.name} gives off {cpu.watts} W; {cooler.name} is made for"
            f" {cooler['rated_watts']} W.",
        )
    if psu and watts > psu["output_watts"]:
        yield Hint(
            "problem", f"The parts draw {watts} W; {psu.name} delivers {psu['output_watts']} W."
        )
    elif psu and watts * RESERVE > psu["output_watts"]:
        yield Hint(
            "warning",
            f"The parts draw {watts} W; a {round(watts * RESERVE)} W supply would leave a reserve.",
        )
    if cpu and not card and not cpu["integrated_graphics"]:
        yield Hint(
            "warning", f"{cpu.name} has no graphics built in: add a graphics card to see a picture."
        )
    if cpu and board and memory and case and psu and (card or cpu["integrated_graphics"]):
        yield Hint("info", "All the essentials are there.")

"""The catalogue, which parts fit together, and prices that are the same in every process."""

from __future__ import annotations

import pytest
from app import catalogue, presets
from pcbuilder import market
from pcbuilder.builds import hints, read_build


def judge(*parts: str) -> list[tuple[str, str]]:
    arguments = {catalogue.get(part).category: part for part in parts}
    build, unknown = read_build(arguments, catalogue)
    assert unknown == []
    return [(hint.level, hint.text) for hint in hints(build)]


@pytest.mark.parametrize(
    ("parts", "hint"),
    [
        (
            ("cpu-heron-300", "board-slate-m"),
            ("problem", "Heron 300 needs socket LGA1700; Slate M has AM5."),
        ),
        (("board-slate-m", "mem-cinder-8"), ("problem", "Slate M takes DDR5; Cinder 8 is DDR4.")),
        (("board-slate-pro", "case-nook"), ("problem", "Nook has no room for Slate Pro (ATX).")),
        (
            ("gpu-vela-90", "case-meadow"),
            ("problem", "Vela 90 is 336 mm long; Meadow takes 330 mm."),
        ),
        (
            ("cool-tower-one", "case-nook"),
            ("problem", "Tower One is 158 mm high; Nook takes 70 mm."),
        ),
        (("cpu-kestrel-5g", "cool-heron-box"), ("problem", "Heron Box does not fit socket AM5.")),
        (
            ("cpu-kestrel-9", "cool-hush-low"),
            ("warning", "Kestrel 9 gives off 170 W; Hush Low is made for 95 W."),
        ),
        (
            ("gpu-vela-90", "psu-spark-400"),
            ("problem", "The parts draw 420 W; Spark 400 delivers 400 W."),
        ),
        (
            ("gpu-corvus-8", "psu-spark-400"),
            ("warning", "The parts draw 330 W; a 429 W supply would leave a reserve."),
        ),
        (
            ("cpu-kestrel-5",),
            (
                "warning",
                "Kestrel 5 has no graphics built in: add a graphics card to see a picture.",
            ),
        ),
    ],
)
def test_parts_that_do_not_fit_are_reported(parts, hint):
    assert hint in judge(*parts)


def test_problems_come_before_warnings():
    levels = [level for level, _ in judge("cpu-kestrel-9", "cool-hush-low", "board-quarry-m4")]
    assert levels == ["problem", "warning"]


@pytest.mark.parametrize("preset", presets, ids=lambda preset: preset[0].id)
def test_every_preset_is_complete_and_fits(preset):
    build = preset[1]
    assert [(hint.level, hint.text) for hint in hints(build)] == [
        ("info", "All the essentials are there.")
    ]
    assert build.missing(catalogue) == []


def test_the_catalogue_is_complete():
    assert len(catalogue.components) == 58
    assert len({component.id for component in catalogue.components}) == 58
    assert len(catalogue.categories) == 8
    for category in catalogue.categories:
        parts = catalogue.of_category(category.id)
        assert len(parts) >= 6
        assert len({frozenset(part.specs) for part in parts}) == 1, (
            f"{category.id}: not all have the same specs"
        )


def test_a_part_of_another_slot_is_refused():
    build, unknown = read_build({"cpu": "psu-calm-450"}, catalogue)
    assert build.parts == {}
    assert len(unknown) == 1


def test_prices_are_the_same_in_every_process_and_stay_near_the_list():
    for component in catalogue.components:
        for tick in range(0, 4000, 61):
            now = market.quote(component, tick)
            assert now == market.quote(component, tick)
            assert (
                abs(now.price - component.price * 100) <= component.price * 100 * market.SWING + 10
            )
            assert 1 <= now.stock <= component.stock


def test_some_prices_move_at_nearly_every_tick_but_never_most():
    moved = [
        len(market.changes(catalogue.components, tick, tick + 1))
        for tick in range(500_000_000, 500_000_100)
    ]
    assert sum(count > 0 for count in moved) > 80
    assert max(moved) < len(catalogue.components) / 2

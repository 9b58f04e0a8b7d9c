# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A table of options: defaults, conversions, and messages for invalid values."""

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.inputs.options import (
    Option,
    hidden,
    merge,
    normalize,
    printable,
)

WHERE = "flask_apps: shop"


def one(option, value):
    """The value and the problems of a dictionary with one key."""
    result, problems = normalize({"key": value}, {"key": option}, WHERE)
    return result["key"], problems


@pytest.mark.parametrize(
    ("option", "given", "value"),
    [
        (Option(), "text", "text"),
        (Option(), 8, "8"),
        (Option(kind="bool"), True, True),
        (Option(kind="bool"), "yes", True),
        (Option(kind="bool"), "True", True),
        (Option(kind="bool"), "on", True),
        (Option(kind="bool"), 1, True),
        (Option(kind="bool"), "no", False),
        (Option(kind="bool"), "FALSE", False),
        (Option(kind="bool"), "off", False),
        (Option(kind="bool"), 0, False),
        (Option(kind="int"), "30", 30),
        (Option(kind="int"), 30, 30),
        (Option(kind="int", minimum=0), 0, 0),
        (Option(kind="float"), "0.5", 0.5),
        (Option(kind="float"), 2, 2.0),
        (Option(kind="list"), ["a", 1], ["a", "1"]),
        (Option(kind="list"), ("a",), ["a"]),
        (Option(kind="list", elements=Option(kind="int")), ["1", 2], [1, 2]),
        (
            Option(kind="list", options={"a": Option(), "on": Option(kind="bool", default=True)}),
            [{"a": "x"}],
            [{"a": "x", "on": True}],
        ),
        (Option(kind="dict", elements=Option()), {"A": 1}, {"A": "1"}),
        (Option(kind="dict"), {"A": 1}, {"A": 1}),
        (Option(kind="dict", default={}, options={"a": Option(default="x")}), None, {"a": "x"}),
        (Option(default="x"), None, "x"),
        (Option(), None, None),
    ],
)
def test_values_are_converted(option, given, value):
    result, problems = one(option, given)
    assert problems == []
    assert (type(result), result) == (type(value), value)


@pytest.mark.parametrize(
    ("option", "given", "problem"),
    [
        (Option(), True, "key must be a string in quotes; got True."),
        (Option(), ["a"], "key must be a string in quotes; got a list."),
        (Option(allowed="a word"), {}, "key must be a word; got a dictionary."),
        (Option(pattern="[a-z]+", allowed="a word"), "A b", "key must be a word; got 'A b'."),
        (
            Option(pattern="[a-z]+", allowed="a word"),
            "shop\n",
            "key must be a word; got 'shop\\n'.",
        ),
        (Option(pattern=r"\d+", allowed="a number"), "١٢", "key must be a number; got '١٢'."),
        (
            Option(choices=("uwsgi", "gunicorn")),
            "gunicron",
            "key must be uwsgi or gunicorn; got 'gunicron'.",
        ),
        (Option(kind="bool"), "maybe", "key must be true or false; got 'maybe'."),
        (Option(kind="int"), "many", "key must be a number; got 'many'."),
        (Option(kind="int"), 1.5, "key must be a number; got 1.5."),
        (
            Option(),
            1.1,
            "key must be in quotes, as YAML may lose digits of a fraction: '1.1'; got 1.1.",
        ),
        (Option(kind="int"), True, "key must be a number; got True."),
        (
            Option(kind="int", minimum=1, allowed="a number of seconds"),
            0,
            "key must be a number of seconds, at least 1; got 0.",
        ),
        (Option(kind="float", minimum=0.1), 0, "key must be a number, at least 0.1; got 0."),
        (Option(kind="float"), float("nan"), "key must be a number; got nan."),
        (Option(kind="float"), "inf", "key must be a number; got 'inf'."),
        (Option(kind="list"), "a", "key must be a list; got 'a'."),
        (Option(kind="list", maximum=2), ["a"] * 3, "key must have at most 2 elements; got 3."),
        (
            Option(kind="list", elements=Option(pattern="a", allowed="an a")),
            ["a", "b"],
            "key[1] must be an a; got 'b'.",
        ),
        (Option(kind="list"), ["a", None], "key[1] must be a string in quotes; got None."),
        (
            Option(kind="list", options={"url": Option()}),
            ["/x"],
            "key[0] must be a dictionary; got '/x'.",
        ),
        (
            Option(kind="list", options={"url": Option(required=True, allowed="a path")}),
            [{}],
            "key[0]: url is missing; write url: a path",
        ),
        (Option(kind="dict"), "a", "key must be a dictionary; got 'a'."),
        (
            Option(kind="dict", options={"a": Option(kind="int")}),
            {"a": "x"},
            "key: a must be a number; got 'x'.",
        ),
        (
            Option(kind="dict", options={"processes": Option()}),
            {"proceses": 2},
            "key: 'proceses' is not a known key (its value is hidden); did you mean 'processes'?",
        ),
        (
            Option(kind="dict", pattern="[A-Z]+", allowed="names are large"),
            {"a": 1},
            "key has the name 'a'; names are large.",
        ),
        (
            Option(kind="dict", elements=Option()),
            {"A": False},
            "key: A must be a string in quotes; got False.",
        ),
        (
            Option(kind="dict", elements=Option()),
            {"A": None},
            "key: A must be a string in quotes; got None.",
        ),
        (
            Option(check=lambda text: "not be this" if text == "x" else ""),
            "x",
            "key must not be this; got 'x'.",
        ),
    ],
)
def test_invalid_values_are_reported_with_what_is_allowed(option, given, problem):
    assert one(option, given)[1] == [f"{WHERE}: {problem}"]


def test_an_unknown_key_without_a_similar_one_lists_all_keys():
    _, problems = normalize({"zzz": [1]}, {"b": Option(), "a": Option()}, WHERE)
    assert problems == [
        "flask_apps: shop: 'zzz' is not a known key (its value is hidden); allowed are a, b."
    ]


def test_all_problems_are_reported_together_and_valid_values_are_kept():
    options = {
        "a": Option(kind="int"),
        "b": Option(required=True, allowed="a word"),
        "c": Option(kind="bool"),
        "d": Option(),
    }
    result, problems = normalize({"a": "x", "c": "y", "d": "good", "e": 1}, options, WHERE)
    assert len(problems) == 4
    assert result["d"] == "good"


def test_the_input_of_the_user_is_not_changed():
    written = {"uwsgi": {"threads": "8"}, "networks": [1]}
    normalize(
        written,
        {
            "uwsgi": Option(kind="dict", options={"threads": Option(kind="int")}),
            "networks": Option(kind="list"),
        },
        WHERE,
    )
    assert written == {"uwsgi": {"threads": "8"}, "networks": [1]}


def test_defaults_are_not_shared_between_applications():
    options = {"env": Option(kind="dict", default={}), "networks": Option(kind="list", default=[])}
    first, _ = normalize({}, options, WHERE)
    first["env"]["A"] = "1"
    first["networks"].append("bridge")
    assert normalize({}, options, WHERE)[0] == {"env": {}, "networks": []}


@pytest.mark.parametrize(
    ("below", "above", "merged"),
    [
        ({}, {}, {}),
        ({"a": 1}, {}, {"a": 1}),
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": {"x": 1, "y": 1}}, {"a": {"y": 2}}, {"a": {"x": 1, "y": 2}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": {"x": 1}}, {"a": None}, {"a": None}),
        ({"a": 1}, {"a": {"x": 1}}, {"a": {"x": 1}}),
    ],
)
def test_dictionaries_merge_and_everything_else_replaces(below, above, merged):
    before = repr((below, above))
    assert merge(below, above) == merged
    assert repr((below, above)) == before


@pytest.mark.parametrize(
    "value",
    [
        "hunter2",
        ["hunter2"],
        {"a": "hunter2"},
        {"x": {"a": "hunter2"}},
        1.5,
        {"A=hunter2": 1},
        {"A": "hunter2\n"},
        ("hunter2",),
    ],
)
@pytest.mark.parametrize("kind", ["str", "int", "bool", "list", "dict"])
def test_no_message_shows_a_secret(kind, value):
    option = Option(
        kind=kind,
        secret=True,
        pattern="never",
        elements=Option(secret=True, pattern="never", allowed="x"),
        allowed="x",
    )
    _, problems = normalize({"key": value}, {"key": option}, WHERE)
    assert "hunter2" not in "".join(problems) and "1.5" not in "".join(problems)
    assert problems or kind == "str"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("fatal: 'https://user:hunter2@host/x.git'", "fatal: 'https://***@host/x.git'"),
        ("https://hunter2@host:8443/x", "https://***@host:8443/x"),
        ("https://user:hun/ter2@host/x", "https://***@host/x"),
        ("https://user:hunter@2@host/x", "https://***@host/x"),
        ("ssh://hunter2@host/x and git@host:x", "ssh://***@host/x and ***@host:x"),
        ("https://host/x?token=hunter2", "https://host/x?***"),
        ("https://host/x", "https://host/x"),
        ("shop@sha256:0123", "shop@sha256:0123"),
        (
            "shop:1@sha256:0123 host:5000/shop:1@sha256:0123",
            "shop:1@sha256:0123 host:5000/shop:1@sha256:0123",
        ),
        ('{"http-proxy": "user:hunter2@proxy:3128"}', '{"http-proxy": "***@proxy:3128"}'),
        ("x" * 100_000, "x" * 100_000),
    ],
)
def test_the_user_of_an_address_is_hidden(text, shown):
    assert hidden(text) == shown


@pytest.mark.parametrize(
    "repo",
    [
        "https://user:hunter2@host/a b",
        "user:hunter2@host/x",
        "ftp://hunter2@host/x",
        "https://u:hun\nter2@host",
    ],
)
def test_an_invalid_address_is_shown_without_its_user(repo):
    _, problems = normalize(
        {"repo": repo}, {"repo": Option(pattern="never", allowed="an address")}, WHERE
    )
    assert "hun" not in problems[0] and "@" in problems[0]


def test_a_message_contains_no_terminal_control_characters():
    assert (
        printable("a\nb\x1b[31m\x07\x9b\u202e\ud800é") == "a\nb\\x1b[31m\\x07\\x9b\\u202e\\ud800é"
    )


def test_an_empty_list_is_refused_where_one_item_is_required():
    assert one(Option(kind="list", filled=True, elements=Option(allowed="a status")), [])[1] == [
        f"{WHERE}: key is an empty list; leave it out, or write a status."
    ]

# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""The attacker is where the tests think, and the neighbour serves its own health check."""


def test_the_intruder_runs_what_it_gets(inside):
    assert inside("import os; print(os.getcwd())") == "/app\n"


def test_the_neighbour_is_shown_to_nobody(http):
    assert http("/neighbour/token").status == 403


def test_another_user_of_the_host_is_no_root(mallory):
    assert mallory("id -u").stdout.strip() == "2001"

# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""The attacker has the access that the tests assume, and the neighbour only serves its own health
check.
"""


def test_the_intruder_executes_what_it_receives(inside):
    assert inside("import os; print(os.getcwd())") == "/app\n"


def test_the_neighbour_refuses_every_visitor(http):
    assert http("/neighbour/token").status == 403


def test_another_user_of_the_host_is_not_root(mallory):
    assert mallory("id -u").stdout.strip() == "2001"

# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""A project that lists its requirements only in setup.py."""


def test_a_project_of_setup_py_is_installed_with_its_extra_and_finds_distutils(whoami):
    seen = whoami("depot")
    assert (seen["metadata"], seen["extra"], seen["old"]) == ("1.4", "0.4.6", 1)
    assert seen["command"] == "the command of the depot"

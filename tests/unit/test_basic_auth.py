# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The password file of proxy.basic_auth."""

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.releases.basic_auth import (
    apr1,
    password_file,
)

KEY = b"k" * 64


@pytest.mark.parametrize(
    ("password", "shown"),
    [
        ("secret", "jEmT7wRo1P9yoYC43QPKq1"),
        ("äöü€ and more than sixteen bytes", "Fgr3yTJf6.T6Xe4fU3kQ80"),
    ],
)
def test_a_hash_is_the_one_of_openssl_passwd(password, shown):
    assert apr1(password, "abcd./Z9") == f"$apr1$abcd./Z9${shown}"


def test_the_same_passwords_and_key_give_the_same_file():
    text = password_file("shop", {"bob": "x", "ann": "x"}, KEY)
    assert text == password_file("shop", {"ann": "x", "bob": "x"}, KEY)
    assert [line.split(":")[0] for line in text.splitlines()] == ["ann", "bob"]


def test_each_application_user_password_and_key_has_its_own_salt():
    texts = [
        password_file(name, {user: password}, key)
        for name, user, password, key in [
            ("shop", "ann", "x", KEY),
            ("blog", "ann", "x", KEY),
            ("shop", "bob", "x", KEY),
            ("shop", "ann", "y", KEY),
            ("shop", "ann", "x", b"other"),
        ]
    ]
    assert len({text.split("$")[2] for text in texts}) == len(texts)

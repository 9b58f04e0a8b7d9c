"""The values that the environment may have, and the errors for invalid ones."""

from __future__ import annotations

import logging

import pytest
from app import create_app
from pcbuilder.settings import SettingsError, read_settings


@pytest.mark.parametrize(
    ("environ", "app_domain"),
    [
        ({}, ""),
        ({"DOMAIN": "/shop"}, ""),
        ({"ENV": "DEV", "DOMAIN": "/shop"}, ""),
        ({"ENV": "PROD"}, ""),
        ({"ENV": "PROD", "DOMAIN": "/"}, ""),
        ({"ENV": "PROD", "DOMAIN": "/shop"}, "/shop"),
        ({"ENV": "PROD", "DOMAIN": "/shop/"}, "/shop"),
        ({"ENV": "PROD", "DOMAIN": "/a/b-c.d"}, "/a/b-c.d"),
    ],
)
def test_the_prefix_is_the_domain_in_production(environ, app_domain):
    assert read_settings(environ).app_domain == app_domain


@pytest.mark.parametrize("domain", ["shop", "/a//b", "/a b", "/<x>", "https://example.org"])
def test_a_bad_domain_is_refused(domain):
    with pytest.raises(SettingsError, match="write a path such as /pc-builder-app"):
        read_settings({"ENV": "PROD", "DOMAIN": domain})


def test_a_bad_log_level_is_refused():
    with pytest.raises(SettingsError, match="LOG_LEVEL is 'LOUD'; choose one of DEBUG, INFO"):
        read_settings({"LOG_LEVEL": "loud"})


def test_the_file_of_the_secret_key_takes_precedence(tmp_path):
    path = tmp_path / "SECRET_KEY"
    path.write_text("from the file\n")
    settings = read_settings({"SECRET_KEY_FILE": str(path), "SECRET_KEY": "from the environment"})
    assert (settings.secret_key, settings.secret_key_from) == ("from the file", "SECRET_KEY_FILE")
    assert read_settings({"SECRET_KEY": "k"}).secret_key_from == "SECRET_KEY"


def test_a_secret_key_file_that_cannot_be_used_is_an_error(tmp_path):
    empty = tmp_path / "empty"
    empty.touch()
    with pytest.raises(SettingsError, match="which is empty"):
        read_settings({"SECRET_KEY_FILE": str(empty)})
    with pytest.raises(SettingsError, match="which cannot be read"):
        read_settings({"SECRET_KEY_FILE": str(tmp_path / "gone")})


def test_a_random_secret_key_is_reported_in_the_log(caplog):
    with caplog.at_level(logging.INFO):
        create_app({"SECRET_KEY": "k"})
    assert "random key" not in caplog.text
    with caplog.at_level(logging.INFO):
        create_app({})
    assert "SECRET_KEY is not set: using a random key" in caplog.text
    assert "58 components loaded" in caplog.text

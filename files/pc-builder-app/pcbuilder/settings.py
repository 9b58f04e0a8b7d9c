"""The settings from the environment, read once at the start."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class SettingsError(ValueError):
    """The environment has a value that the app cannot use."""


@dataclass(frozen=True)
class Settings:
    """The prefix of all routes, and everything else that differs between deployments."""

    app_domain: str  # "" or "/pc-builder-app": never ends in a slash
    release: str
    log_level: str
    secret_key: str
    secret_key_from: str  # SECRET_KEY_FILE, SECRET_KEY or random


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Build the settings from environment variables; raise SettingsError with a remedy."""
    secret_key, secret_key_from = _secret_key(environ)
    return Settings(
        app_domain=_app_domain(environ),
        release=environ.get("FLASKOPS_RELEASE", ""),
        log_level=_log_level(environ),
        secret_key=secret_key,
        secret_key_from=secret_key_from,
    )


def _app_domain(environ: Mapping[str, str]) -> str:
    """DOMAIN is used in production only, as in the blog post on which the app is based."""
    if environ.get("ENV") != "PROD":
        return ""
    domain = environ.get("DOMAIN", "").rstrip("/")
    if domain and not PREFIX.fullmatch(domain):
        raise SettingsError(
            f"DOMAIN is {domain!r}; write a path such as /pc-builder-app, or nothing for the root."
        )
    return domain


def _log_level(environ: Mapping[str, str]) -> str:
    level = environ.get("LOG_LEVEL", "INFO").upper()
    if level not in LOG_LEVELS:
        raise SettingsError(f"LOG_LEVEL is {level!r}; choose one of {', '.join(LOG_LEVELS)}.")
    return level


def _secret_key(environ: Mapping[str, str]) -> tuple[str, str]:
    if path := environ.get("SECRET_KEY_FILE"):
        try:
            key = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"SECRET_KEY_FILE is {path!r}, which cannot be read: {error}"
            ) from error
        if not key:
            raise SettingsError(
                f"SECRET_KEY_FILE is {path!r}, which is empty; put a long random text into it."
            )
        return key, "SECRET_KEY_FILE"
    if environ.get("SECRET_KEY"):
        return environ["SECRET_KEY"], "SECRET_KEY"
    return secrets.token_hex(32), "random"

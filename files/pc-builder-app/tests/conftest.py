"""The app in both variants: at the root, and under a prefix as in production."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from app import create_app

PREFIX = "/pc-builder-app"
ENVIRONMENTS = {
    "": {},
    PREFIX: {"ENV": "PROD", "DOMAIN": PREFIX, "FLASKOPS_RELEASE": "0123456789ab"},
}


@pytest.fixture(params=list(ENVIRONMENTS), ids=["at the root", "under a prefix"])
def prefix(request):
    return request.param


@pytest.fixture
def client(prefix):
    return create_app(ENVIRONMENTS[prefix]).test_client()

"""Make the checkout importable as the collection flaskops.host, the way Ansible does it."""

from pathlib import Path

import pytest
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

ROOT = Path(__file__).resolve().parent.parent

_AnsibleCollectionFinder(paths=[str(ROOT / "collections")])._install()


@pytest.fixture
def root() -> Path:
    """The root of the checkout."""
    return ROOT

"""Make the checkout importable as the collection flaskops.host, the way Ansible does it."""

from pathlib import Path

import pytest
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder
from compiled_templates import compile_each_template_once
from hypothesis import settings
from long_cases import pytest_collection_modifyitems  # noqa: F401  # a hook

ROOT = Path(__file__).resolve().parent.parent

# How long an example takes says how busy the machine is.
settings.register_profile("flaskops", deadline=None)
settings.load_profile("flaskops")

_AnsibleCollectionFinder(paths=[str(ROOT / "collections")])._install()
compile_each_template_once()


@pytest.fixture
def root() -> Path:
    """The root of the checkout."""
    return ROOT

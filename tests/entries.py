# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Entries of flask_apps as dictionaries, as the filter gives them to Ansible."""

from ansible_collections.flaskops.host.plugins.module_utils.apps import normalize
from ansible_collections.flaskops.host.plugins.module_utils.apps.schema import OPTIONS
from ansible_collections.flaskops.host.plugins.module_utils.apps.sources import requirements
from ansible_collections.flaskops.host.plugins.module_utils.host.typed import plain, read
from ansible_collections.flaskops.host.plugins.module_utils.inputs.options import fitting
from ansible_collections.flaskops.host.plugins.module_utils.releases.app import App, Requirements


def normalize_apps(*words, **keys):
    """The complete entries and the problems."""
    apps, problems = normalize.normalize_apps(*words, **keys)
    return [app.to_dict() for app in apps], problems


def typed(function):
    """A function that takes an App, for one that is a dictionary with some of its keys."""
    defaults = {**fitting({}, OPTIONS)[0], "name": "shop", "path": "/", "engine": ""}
    return lambda entry, *words, **keys: function(
        App.from_dict({**defaults, **entry}), *words, **keys
    )


def find(*words):
    """What is to be installed, and the problems."""
    needs, problems = requirements.find(*words)
    return plain(needs), problems


def arguments(needs):
    return requirements.arguments(read(Requirements, needs))


def export(needs):
    return requirements.export(read(Requirements, needs))

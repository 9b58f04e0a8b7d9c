# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The inventory of bin/deploy: plain http without local_site, and with it a site by https, to which
all its applications belong.
"""

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.vars.manager import VariableManager
from ansible_collections.flaskops.host.plugins.module_utils.apps.normalize import normalize_apps
from ansible_collections.flaskops.host.plugins.module_utils.nginx.plan import addresses
from ansible_collections.flaskops.host.plugins.module_utils.nginx.schema import read


@pytest.fixture
def interpreted(root):
    """The application of the inventory and its site, as a run with these extra variables reads
    them.
    """

    def run(**extra):
        loader = DataLoader()
        inventory = InventoryManager(loader=loader, sources=[str(root / "inventories/local")])
        manager = VariableManager(loader=loader, inventory=inventory)
        defaults = loader.load_from_file(
            str(root / "roles/nginx/defaults/main.yml"), trusted_as_template=True
        )
        host = manager.get_vars(host=inventory.get_host("localhost"))
        variables = {**defaults, **host, **extra}
        templar = Templar(loader, variables=variables)
        values = {
            name: templar.template(value)
            for name, value in variables.items()
            if name.startswith(("nginx_", "flask_apps"))
        }
        given = {
            name.removeprefix("nginx_"): value
            for name, value in values.items()
            if name.startswith("nginx_")
        }
        inputs, problems = read(given)
        assert problems == []
        sites = {site.name: site for site in addresses([*given["required_sites"], "www"], inputs)}
        apps, problems = normalize_apps(
            values["flask_apps"],
            values["flask_apps_defaults"],
            sites=["default", *(site.name for site in inputs.sites)],
            source_root=str(values["flask_apps_source_root"]),
        )
        assert problems == []
        return sites[apps[0].site], apps[0]

    return run


@pytest.mark.parametrize("extra", [{}, {"local_site": ""}])
def test_without_a_name_the_application_is_served_by_plain_http_for_every_name(interpreted, extra):
    site, app = interpreted(**extra)
    assert app.site == "default"
    assert site.url("/pc-builder-app/", "192.0.2.1") == "http://192.0.2.1/pc-builder-app/"


def test_with_a_name_it_is_served_there_by_https(interpreted):
    site, app = interpreted(local_site="shop.example.org", nginx_acme_email="ops@example.org")
    assert app.site == "www"
    assert (site.tls, site.acme_email) == ("acme", "ops@example.org")
    assert site.url("/pc-builder-app/", "192.0.2.1") == "https://shop.example.org/pc-builder-app/"

#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: nginx_certificates
short_description: Create or get the certificates of sites
version_added: 0.1.0
description:
  - O(create) writes certificates and changes nothing that Nginx uses; RV(links) go into the same
    change of the configuration as the sites that use them.
  - O(issue) gets certificates from an ACME authority with certbot, which needs a running Nginx, and
    moves the link of each site to its new one, in a tested transaction. A site whose certificate is
    refused keeps its old one, and the others go on.
author:
  - flaskops contributors (@flaskops)
attributes:
  check_mode:
    description: Shows what would be created; asks no authority.
    support: full
  diff_mode:
    description: Shows the actions.
    support: full
  idempotent:
    description: Creates and gets whatever is listed.
    support: none
options:
  create:
    description: The certificates to create.
    type: list
    elements: dict
    default: []
    suboptions:
      site: {description: The site., type: str, required: true}
      names: {description: Its host names., type: list, elements: str, required: true}
      kind:
        description: V(provided), V(selfsigned) or V(placeholder).
        type: str
        required: true
      source: {description: What identifies a provided one., type: str, default: ''}
      chain: {description: The provided certificates in PEM., type: str, default: ''}
  keys:
    description: The provided keys in PEM, by site. Apart from O(create), for Ansible logs what is
      inside of another option.
    type: dict
    default: {}
  unused:
    description:
      - Sites that no longer have a certificate. What they had stays for 30 days, in which the site
        may come back, and is then removed.
    type: list
    elements: str
    default: []
  issue:
    description: The certificates to get.
    type: list
    elements: dict
    default: []
    suboptions:
      site: {description: The site., type: str, required: true}
      names: {description: Its host names., type: list, elements: str, required: true}
      directory: {description: The URL of the ACME directory., type: str, required: true}
      email: {description: The address of the account., type: str, default: ''}
      ca_bundle:
        description: A file with the authorities that the connection trusts.
        type: str
        default: ''
      http_port: {description: The port of the question., type: int, default: 80}
      notify:
        description: A program on the host that gets an event for a failure; empty for none.
        type: str
        default: ''
      certbot_path:
        description: The path of another certbot than the distribution's.
        type: str
        default: ''
"""

EXAMPLES = r"""
- name: Get the certificate of a site
  flaskops.host.nginx_certificates:
    issue:
      - site: www
        names: [shop.example.org]
        directory: https://acme-v02.api.letsencrypt.org/directory
"""

RETURN = r"""
actions:
  description: What was done, or would be done.
  returned: always
  type: list
  elements: str
links:
  description: For M(flaskops.host.nginx_tree), the links to what was created.
  returned: always
  type: list
  elements: dict
failures:
  description: By site, why there is no certificate.
  returned: always
  type: dict
"""

import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.disk import with_advice
from ..module_utils.host.files import HostError, sentences
from ..module_utils.host.places import CERTIFICATES, NGINX_ROOT
from ..module_utils.host.typed import read
from ..module_utils.nginx import acme, certificates
from ..module_utils.nginx.renew import Attempt, alone, attempt, tell

SITE = {
    "site": {"type": "str", "required": True},
    "names": {"type": "list", "elements": "str", "required": True},
}
ARGUMENTS = {
    "create": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            **SITE,
            "kind": {"type": "str", "required": True},
            "source": {"type": "str", "default": ""},
            "chain": {"type": "str", "default": ""},
        },
    },
    "keys": {"type": "dict", "default": {}, "no_log": True},
    "unused": {"type": "list", "elements": "str", "default": []},
    "issue": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            **SITE,
            "directory": {"type": "str", "required": True},
            "email": {"type": "str", "default": ""},
            "ca_bundle": {"type": "str", "default": ""},
            "http_port": {"type": "int", "default": 80},
            "notify": {"type": "str", "default": ""},
            "certbot_path": {"type": "str", "default": ""},
        },
    },
}


def create(wanted: certificates.Wanted, chain: str, key: str) -> Path:
    """Create one, and remove those that are older than the one in use."""
    linked = certificates.current(Path(NGINX_ROOT))
    if wanted.site in linked:
        certificates.prune(wanted.site, linked[wanted.site].directory, kept=1)
    try:
        return Path(certificates.create(wanted, chain=chain, key=key).directory)
    except (HostError, OSError) as error:
        raise HostError(f"the certificate of the site {wanted.site}: {error}") from error


def unused(sites: list[str], created: set[str], check_mode: bool) -> list[str]:
    """Remove what sites had, or begin the time after which it is removed; returns the actions. One
    that has just been created belongs to a site that came back.
    """
    found = certificates.forgotten(Path(NGINX_ROOT), time.time())
    gone = [site for site in found if site not in created]
    if not check_mode:
        certificates.forget(gone)
        for site in sites:
            certificates.leave(site)
    return [f"Remove the certificates of the removed site {site}" for site in gone]


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    links, actions = [], []
    failures: dict[str, str] = {}
    events: dict[str, list[Mapping[str, Any]]] = {}
    try:
        with nullcontext() if module.check_mode else alone():
            for given in module.params["create"]:
                wanted = read(certificates.Wanted, given)
                directory = CERTIFICATES / wanted.site / "new"
                if not module.check_mode:
                    key = module.params["keys"].get(wanted.site, "")
                    directory = create(wanted, given["chain"], key)
                links.append(
                    {"path": certificates.link_path(wanted.site), "target": str(directory)}
                )
                actions.append(f"Create the certificate of {wanted.site} ({wanted.kind})")
            created = {given["site"] for given in module.params["create"]}
            actions += unused(module.params["unused"], created, module.check_mode)
    except (HostError, OSError) as error:
        module.fail_json(msg=f"nginx: {with_advice(error)}")
    for given in module.params["issue"]:
        order = read(acme.Order, given)
        actions.append(f"Get the certificate of {order.site} ({', '.join(order.names)})")
        tried = Attempt() if module.check_mode else attempt(order)
        failures |= {order.site: tried.failure} if tried.failure else {}
        events.setdefault(order.notify, []).extend([tried.event] if tried.event else [])
    for program, given in events.items():
        for words in tell(program, given) if given else ():
            module.warn(words)
    module.exit_json(
        changed=len(actions) > len(failures),
        actions=actions,
        links=links,
        failures=failures,
        diff=sentences(actions),
    )


if __name__ == "__main__":
    main()

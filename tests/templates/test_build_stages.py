# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Dockerfile of an application: its stages, what reaches the image, and that an ordinary
application has only two stages.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar
from entries import normalize_apps

ROLE = Path(__file__).resolve().parents[2] / "roles/flask_apps"
RUNTIME = "flaskops/runtime:0123456789ab"
PROJECT = (
    "[project]\nname = 'shop'\ndependencies = ['flask']\n[build-system]\nrequires = ['hatchling>1',"
    " 'hatch-vcs']\n"
)


@pytest.fixture
def stages(tmp_path):
    """The stages of the Dockerfile by name, the last one as C(image)."""

    def run(files=None, **keys):
        source = tmp_path / "shop"
        for name, text in {
            "app.py": "app = 1\n",
            **(files or {"requirements.txt": "flask\n"}),
        }.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_text(text)
        entry = {"name": "shop", "source": str(source), "path": "/shop", **keys}
        apps, problems = normalize_apps([entry])
        assert problems == []
        known = {"ansible_managed": "Ansible managed", "ansible_search_path": [str(ROLE)]}
        loader = DataLoader()
        lookup = lookup_loader.get(
            "flaskops.host.releases", loader=loader, templar=Templar(loader, variables=known)
        )
        options = {
            "templates": str(ROLE / "templates"),
            "key_file": str(tmp_path / "key"),
            "runtimes": {"": RUNTIME},
            "root": "/var/lib/x",
        }
        (release,) = lookup.run([apps], variables=known, **options)
        found = re.split(r"(?m)^(?=FROM )", release["dockerfile"])[1:]
        return {(re.match(r"FROM \S+ AS (\w+)", text) or ["", "image"])[1]: text for text in found}

    return run


def test_an_ordinary_application_has_two_stages(stages):
    found = stages()
    assert list(found) == ["requirements", "image"]
    assert found["image"].endswith("COPY --from=requirements /opt/app /opt/app\nCOPY app/ /app/\n")


def test_a_project_is_built_without_a_network_after_its_backend_is_installed(stages):
    found = stages({"pyproject.toml": PROJECT, "PKG-INFO": "Version: 1.2\n"})
    assert list(found) == ["requirements", "project", "image"]
    assert "install --no-cache-dir hatch-vcs 'hatchling>1'" in found["requirements"]
    assert "COPY" not in found["requirements"]  # so a change of code does not change it
    assert "RUN gently flaskops-project 1.2\n" in found["project"]
    assert found["image"].endswith(
        "COPY --from=project /opt/project /opt/project\nCOPY --from=project /app/ /app/\n"
    )


@pytest.mark.parametrize(
    ("files", "tool"),
    [
        ({"poetry.lock": "", "pyproject.toml": ""}, "poetry"),
        ({"pdm.lock": "", "pyproject.toml": ""}, "pdm"),
        ({"Pipfile.lock": "{}"}, "pipenv"),
    ],
)
def test_a_lock_file_is_read_in_a_stage_that_is_discarded(stages, files, tool):
    found = stages(files)
    assert list(found) == ["exporter", "requirements", "image"]
    assert f"--require-hashes -r /run/{tool}.txt" in found["exporter"]
    assert [name for name in files if f'"app/{name}"' in found["exporter"]] == list(files)
    assert (
        "COPY --from=exporter /run/requirements.txt /run/requirements.txt\n"
        in found["requirements"]
    )
    assert "exporter" not in found["image"] and '"app/' not in found["requirements"]


def test_a_build_step_runs_without_root_and_secrets_and_leaves_no_node(stages):
    command = "npm ci && npm run build # \"$X\" 'ü'"
    found = stages(
        build_command=command,
        apt_packages=["npm", "libpq5"],
        secrets={"KEY": "hidden"},
        env={"MODE": "seen"},
    )
    assert list(found) == ["requirements", "built", "image"]
    built = found["built"]
    assert (
        built.index("USER 10001:10001") < built.index("RUN [")
        and "hidden" not in built
        and "seen" not in built
    )
    assert 'ENV FLASK_APP="app:app"\n' in built and "-name node_modules" in built
    assert (
        "npm libpq5" in found["requirements"]
        and "--yes --no-install-recommends libpq5 \\\n" in found["image"]
    )
    assert (
        found["image"].endswith("COPY --from=built --chown=0:0 /app/ /app/\n")
        and "COPY app/" not in found["image"]
    )


@pytest.mark.parametrize(
    ("command", "code", "there"),
    [
        ("exec env touch built", 0, ["built"]),
        ("A=1 exec touch built", 0, ["built"]),
        ("touch built # npm", 0, ["built"]),
        ("touch built; exit 0", 0, ["built"]),
        ("exit 7", 7, ["node_modules"]),
        ("false; touch built", 1, ["node_modules"]),
        ("cd /; touch $PLACE/built", 0, ["built"]),
        ("(touch built)", 0, ["built"]),
    ],
)
def test_no_build_step_ends_before_the_packages_for_node_are_removed(
    stages, tmp_path, command, code, there
):
    words = json.loads(stages(build_command=command)["built"].rpartition("RUN ")[2])
    place = tmp_path / "app"
    (place / "node_modules").mkdir(parents=True)
    words = [word.replace("find /app", f"find {place}") for word in words[1:]]
    assert (
        subprocess.run(
            words, cwd=place, env={"PATH": "/usr/bin:/bin", "PLACE": str(place)}
        ).returncode
        == code
    )
    assert [file.name for file in place.iterdir()] == there


def test_a_build_step_reads_only_the_files_that_it_names(stages):
    found = stages(
        {"requirements.txt": "flask\n", "package.json": "{}", "front/x.js": ""},
        build_command="npm ci",
        build_inputs=["package.json", "front"],
    )
    assert re.findall(r"COPY --chown\S+ (.*)", found["built"]) == [
        '["app/package.json", "./package.json"]',
        '["app/front", "./front"]',
    ]
    assert found["image"].endswith("COPY app/ /app/\nCOPY --from=built --chown=0:0 /app/ /app/\n")


def test_packages_for_node_stay_without_a_build_step(stages):
    assert "--no-install-recommends nodejs \\\n" in stages(apt_packages=["nodejs"])["image"]


def test_the_application_itself_is_removed_from_its_requirements(stages, tmp_path):
    found = stages({"pyproject.toml": PROJECT, "requirements.txt": "-e . # me\nflask\n"})
    script = re.search(r"RUN sed -E -i '(.*?)' \\\n", found["requirements"], re.DOTALL)[1]
    (tmp_path / "r.txt").write_text(
        "-e . # me\n./x\n.a\n..\nflask\n-e .[a, b]\n.\n-e ./x\n--editable=.\n"
    )
    done = subprocess.run(
        ["sed", "-E", script, str(tmp_path / "r.txt")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "./x\n.a\n..\nflask\n-e ./x\n"


def test_entries_that_are_not_packages_are_removed(stages, tmp_path):
    found = stages(
        {
            "requirements.txt": (
                "flask\nPkg_Resources == 0.0.0\nuwsgi==2\npkg-resources==0.0.0.1\nuwsgitop\n"
            )
        }
    )
    script = re.search(r"RUN sed -E -i '(.*?)' \\\n", found["requirements"], re.DOTALL)[1]
    done = subprocess.run(
        ["sed", "-E", script, str(tmp_path / "shop/requirements.txt")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "flask\npkg-resources==0.0.0.1\nuwsgitop\n"


SETUP = (
    "from setuptools import setup\nsetup(name='shop', install_requires={}, extras_require={{'web':"
    " ['gevent']}})\n"
)


def test_a_project_of_setup_py_is_installed_and_its_code_changes_no_requirements(stages):
    found = stages(
        {"setup.py": SETUP.format("['flask>=3']"), "app.py": "import distutils\napp = 1\n"},
        requirements=".[web]",
    )
    assert list(found) == ["requirements", "project", "image"]
    assert (
        "install --no-cache-dir 'setuptools<81' wheel ||" in found["requirements"]
        and "COPY" not in found["requirements"]
    )
    assert (
        "RUN gently flaskops-install \\\n    --imported=distutils \\\n    'flask>=3' gevent\n"
        in found["requirements"]
    )


def test_dependencies_that_only_a_build_knows_are_built_in_the_image(stages):
    found = stages({"setup.py": SETUP.format("read()")})
    assert list(found) == ["requirements", "image"]
    assert (
        "COPY app/ ./\n" in found["requirements"]
        and "flaskops-install \\\n    .\n" in found["requirements"]
    )

# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A container inherits the labels of its image; they never confuse a run."""

import json

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.host import engine as _engine
from ansible_collections.flaskops.host.plugins.module_utils.host.files import HostError
from ansible_collections.flaskops.host.plugins.module_utils.images import dockerfile
from ansible_collections.flaskops.host.plugins.module_utils.images.build import refuse_labels
from ansible_collections.flaskops.host.plugins.module_utils.releases import process_steps
from entries import normalize_apps

ID = "0123456789ab"


@pytest.fixture
def engine(monkeypatch):
    """The docker command, with containers by name and their labels."""
    there = {}

    def run(_self, *words, **_how):
        assert words[:2] == ("ps", "--all")
        form = words[-1]
        lines = []
        for name, labels in there.items():
            line = form.replace("{{json .Names}}", json.dumps(name)).replace(
                "{{json .State}}", '"running"'
            )
            for label in _engine.LABELS:
                line = line.replace(
                    f'{{{{json (.Label "{label}")}}}}', json.dumps(labels.get(label, ""))
                )
            lines.append(line)
        return "\n".join(lines)

    monkeypatch.setattr(_engine.Docker, "run", run)
    docker = _engine.Docker()
    docker.there = there
    return docker


def ours(release=ID, **more):
    return {"host.flaskops.app": "shop", "host.flaskops.release": release, **more}


def test_a_label_of_the_image_does_not_make_its_container_a_process(engine):
    engine.there[f"shop-{ID}"] = ours(**{"host.flaskops.process": "worker"})
    engine.there[f"shop-{ID}-pin"] = ours(
        **{"host.flaskops.process": "worker", "host.flaskops.pin": ID}
    )
    engine.there[f"shop-{ID}-worker"] = ours(**{"host.flaskops.process": "worker"})
    assert [process.container for process in process_steps.found(engine, "shop")] == [
        f"shop-{ID}-worker"
    ]


@pytest.mark.parametrize(
    "value",
    [
        f"x,host.flaskops.process=worker,host.flaskops.release={ID}",
        ",",
        "a=b,c",
        '"}',
        "a\nb",
        "\\",
        "{{.}}",
    ],
)
def test_label_values_are_read_literally(engine, value):
    engine.there[f"shop-{ID}"] = {**ours(), "description": value, "host.flaskops.pin": value}
    (entry,) = engine.containers("host.flaskops.app=shop")
    assert entry["Labels"]["host.flaskops.pin"] == value
    assert process_steps.found(engine, "shop") == []


@pytest.mark.parametrize("name", ["postgres", "shopping-cart", "shop", "my-shop-1"])
def test_a_foreign_container_with_a_label_of_the_collection_is_left_alone(engine, name):
    engine.there[name] = ours()
    assert engine.containers("host.flaskops.app=shop") == []


RESERVED = [
    "LABEL host.flaskops.app=shop",
    "LABEL a=b host.flaskops.process=worker",
    'LABEL "host.flaskops.release"="x"',
    "LABEL host.flaskops.pin x y",
    "label a=b \\\n  'host.flaskops.dev'=x",
    "ARG NAME=host.flaskops\nLABEL ${NAME}.app=x",
    "ENV NAME=host.flaskops.app\nLABEL $NAME=x",
    "ONBUILD LABEL host.flaskops.app=shop",
    "LABEL host.flaskops=x",
]
FREE = [
    "LABEL org.opencontainers.image.title=shop",
    "LABEL a='b,host.flaskops.app=shop'",
    "LABEL host.flaskopsx=1",
    "RUN echo LABEL",
]


@pytest.mark.parametrize("line", RESERVED)
def test_a_dockerfile_with_reserved_labels_is_refused(tmp_path, line):
    (tmp_path / "Dockerfile").write_text(f"FROM python AS base\n{line}\nFROM base\nEXPOSE 80\n")
    entry = {"name": "shop", "path": "/", "source": str(tmp_path), "dockerfile": "Dockerfile"}
    _apps, (problem,) = normalize_apps([entry])
    assert "labels that begin with host.flaskops are reserved" in problem


@pytest.mark.parametrize("line", FREE)
def test_other_labels_are_allowed(line):
    assert dockerfile.reserved_labels(dockerfile.stages(f"FROM python\n{line}\n")) == []


@pytest.mark.parametrize(
    "label", ["host.flaskops.app", "host.flaskops.process", "host.flaskops.new"]
)
def test_an_image_with_reserved_labels_is_refused(label):
    with pytest.raises(HostError, match=f"the image shop:1 has the label {label}"):
        refuse_labels({"Config": {"Labels": {"a": "b", label: ""}}}, "shop:1")


@pytest.mark.parametrize(
    "image",
    [
        {},
        {"Config": {}},
        {"Config": {"Labels": None}},
        {"Config": {"Labels": {"a": "host.flaskops.app"}}},
    ],
)
def test_any_other_image_is_accepted(image):
    refuse_labels(image, "shop:1")

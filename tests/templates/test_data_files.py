# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Dockerfile of an application with data files links them to their volume; without data files
it does not contain the volume.
"""

import subprocess

import pytest
from test_flask_apps import make, source  # noqa: F401


def commands(release, tmp_path):
    """Run the RUN lines after the code in a directory that represents the image."""
    text = release["dockerfile"].partition("COPY app/ /app/\n")[2].replace("\\\n", " ")
    lines = [line.removeprefix("RUN ") for line in text.splitlines() if line.startswith("RUN ")]
    return [
        line.replace("/app/", f"{tmp_path}/app/").replace("/var/lib/data-files", f"{tmp_path}/data")
        for line in lines
    ]


def test_without_data_files_nothing_follows_the_code(make):  # noqa: F811
    assert make()["dockerfile"].endswith("COPY app/ /app/\n")


@pytest.mark.parametrize("seeded", [True, False])
def test_links_lead_to_the_volume_and_existing_files_are_copied(make, tmp_path, seeded):  # noqa: F811
    image = tmp_path / "image"
    (image / "app/instance").mkdir(parents=True)
    if seeded:
        (image / "app/instance/shop.db").write_text("first")
    for command in commands(make(data_files=["a.db", "instance/shop.db", "new/b.db"]), image):
        subprocess.run(["sh", "-c", command], check=True)
    assert (image / "data").stat().st_mode & 0o777 == 0o750
    assert [path.name for path in sorted((image / "data").iterdir())] == (
        ["instance_shop.db"] if seeded else []
    )
    for link, name in (
        ("a.db", "a.db"),
        ("instance/shop.db", "instance_shop.db"),
        ("new/b.db", "new_b.db"),
    ):
        assert (image / "app" / link).readlink() == image / "data" / name
    if seeded:
        assert (image / "data/instance_shop.db").stat().st_mode & 0o777 == 0o666

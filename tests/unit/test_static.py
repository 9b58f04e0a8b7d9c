# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Static files of a release are compressed once, by the same rules everywhere."""

from __future__ import annotations

import gzip
import io
import tarfile

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.host.files import HostError
from ansible_collections.flaskops.host.plugins.module_utils.releases.static import (
    compress,
    extract,
)

TEXT = b"body { color: red; }\n" * 50


def test_text_is_compressed_and_other_files_are_unchanged(tmp_path):
    for name, content in {
        "a.css": TEXT,
        "b.png": TEXT,
        "small.js": b"1;",
        "deep/c.svg": TEXT,
        "README": TEXT,
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    compress(tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.gz")) == [
        "a.css.gz",
        "deep/c.svg.gz",
    ]
    packed = tmp_path / "a.css.gz"
    assert gzip.decompress(packed.read_bytes()) == TEXT
    assert packed.stat().st_mode & 0o777 == 0o644


def test_the_same_file_gives_the_same_bytes_and_the_same_time(tmp_path):
    seen = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.css").write_bytes(TEXT)
        compress(tmp_path / name)
        packed = tmp_path / name / "a.css.gz"
        seen.add((packed.read_bytes(), packed.stat().st_mtime))
    assert len(seen) == 1


def test_a_compressed_file_of_the_image_is_kept(tmp_path):
    (tmp_path / "a.css").write_bytes(TEXT)
    (tmp_path / "a.css.gz").write_bytes(b"theirs")
    compress(tmp_path)
    assert (tmp_path / "a.css.gz").read_bytes() == b"theirs"


def test_a_file_that_does_not_get_smaller_is_not_compressed(tmp_path):
    (tmp_path / "b.txt").write_bytes(bytes(range(256)))
    compress(tmp_path)
    assert not (tmp_path / "b.txt.gz").exists()


def test_a_file_whose_name_is_too_long_for_gz_is_served_uncompressed(tmp_path):
    for length in (252, 253, 255):
        (tmp_path / ("a" * (length - 4) + ".css")).write_bytes(TEXT)
    compress(tmp_path)
    assert [len(path.name) for path in tmp_path.glob("*.gz")] == [255]


def archive(*members):
    """An archive as docker cp writes it: names, types, and targets of links."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as out:
        for name, kind, where in members:
            member = tarfile.TarInfo(f"static/{name}")
            member.type, member.linkname = kind, where
            member.size = len(TEXT) if kind == tarfile.REGTYPE else 0
            out.addfile(member, io.BytesIO(TEXT))
    file.seek(0)
    return tarfile.open(fileobj=file)


@pytest.mark.parametrize(
    "where",
    [
        *(f"static/{name}" for name in ("soft", "loop", "gone", "hard", "pipe", "directory")),
        "/etc/passwd",
    ],
)
def test_a_hard_link_to_something_else_is_left_out(tmp_path, where):
    odd = archive(
        ("soft", tarfile.SYMTYPE, "/etc/passwd"),
        ("loop", tarfile.SYMTYPE, "loop"),
        ("pipe", tarfile.FIFOTYPE, ""),
        ("directory", tarfile.DIRTYPE, ""),
        ("a.css", tarfile.REGTYPE, ""),
        ("hard", tarfile.LNKTYPE, where),
        ("good", tarfile.LNKTYPE, "static/a.css"),
    )
    assert extract(odd, tmp_path) == 2
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "a.css": TEXT,
        "good": TEXT,
    }


@pytest.mark.parametrize(
    "name", ["d/" * 1100 + "a.css", "d/" * 900 + "a.css", "long/" * 201 + "a.css"]
)
def test_static_files_that_are_nested_too_deep_are_refused(tmp_path, name):
    with pytest.raises(HostError, match="is too deep"):
        extract(archive((name, tarfile.REGTYPE, "")), tmp_path)

# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Static files of a release are compressed once, by the same rules everywhere."""

from __future__ import annotations

import gzip

from ansible_collections.flaskops.host.plugins.modules.release_assets import compress

TEXT = b"body { color: red; }\n" * 50


def test_text_is_compressed_and_the_rest_is_as_it_is(tmp_path):
    for name, content in {"a.css": TEXT, "b.png": TEXT, "small.js": b"1;", "deep/c.svg": TEXT, "README": TEXT}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    compress(tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.gz")) == ["a.css.gz", "deep/c.svg.gz"]
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


def test_one_of_the_images_own_stands(tmp_path):
    (tmp_path / "a.css").write_bytes(TEXT)
    (tmp_path / "a.css.gz").write_bytes(b"theirs")
    compress(tmp_path)
    assert (tmp_path / "a.css.gz").read_bytes() == b"theirs"


def test_what_does_not_get_smaller_is_left(tmp_path):
    (tmp_path / "b.txt").write_bytes(bytes(range(256)))
    compress(tmp_path)
    assert not (tmp_path / "b.txt.gz").exists()

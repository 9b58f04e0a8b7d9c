# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Only the new parts of a source are sent, and the host reassembles the archive byte for byte."""

import gzip
import io
import json

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.apps.sources.source import write_context
from ansible_collections.flaskops.host.plugins.module_utils.images import delta


@pytest.fixture
def host(tmp_path):
    """The directory of releases, and a function that sends a source there as a release and returns
    the number of bytes sent.
    """
    releases = tmp_path / "releases"
    source = tmp_path / "source"
    (source / "static").mkdir(parents=True)

    def send(release, files, known=None):
        for name, content in files.items():
            (source / name).write_bytes(content)
        archive, part = tmp_path / f"{release}.tar", tmp_path / f"{release}.delta"
        with archive.open("wb") as file:
            write_context(file, str(source), {})
        (releases / release).mkdir(parents=True, exist_ok=True)
        delta.write_delta(archive, part, delta.kept_digests(releases) if known is None else known)
        # A small source is packed into the call of the module.
        sent = (
            io.BytesIO(gzip.compress(part.read_bytes()))
            if part.stat().st_size < 30_000
            else part.open("rb")
        )
        with sent:
            delta.assemble(sent, releases / release / "context.tar", releases)
        assert (releases / release / "context.tar").read_bytes() == archive.read_bytes()
        return part.stat().st_size

    send.releases = releases
    return send


LARGE = bytes(range(256)) * 4096  # 1 MiB


def test_the_first_transfer_sends_the_whole_source(host):
    assert host("a" * 12, {"app.py": b"1", "static/large.bin": LARGE}) > len(LARGE)


def test_later_transfers_send_only_the_changes(host):
    host("a" * 12, {"app.py": b"1" * 5000, "static/large.bin": LARGE})
    assert host("b" * 12, {"app.py": b"2" * 5000}) < 30_000
    (host.releases / ("a" * 12) / "context.tar").unlink()
    assert host("c" * 12, {"app.py": b"3" * 5000}) < 30_000  # the newest context contains it too


@pytest.mark.parametrize("harm", ["archive is gone", "archive is garbled", "index is garbled"])
def test_a_file_that_the_host_has_lost_is_sent_again(host, harm):
    host("a" * 12, {"app.py": b"1", "static/large.bin": LARGE})
    known = delta.kept_digests(host.releases)
    place = host.releases / ("a" * 12)
    if harm == "archive is gone":
        (place / "context.tar").unlink()
    elif harm == "archive is garbled":
        content = bytearray((place / "context.tar").read_bytes())
        content[5000:5010] = b"x" * 10
        (place / "context.tar").write_bytes(content)
    else:
        (place / "context.json").write_text("[1, 2")
    with pytest.raises(delta.Damaged):
        host("b" * 12, {"app.py": b"2"}, known)
    assert not list((host.releases / ("b" * 12)).iterdir())
    host("b" * 12, {"app.py": b"2"}, ())  # the whole source


def test_only_root_can_read_the_index_and_the_archive(host):
    host("a" * 12, {"app.py": b"1" * 5000})
    place = host.releases / ("a" * 12)
    assert {file.name: file.stat().st_mode & 0o777 for file in place.iterdir()} == {
        "context.tar": 0o600,
        "context.json": 0o600,
    }
    assert next(iter(json.loads((place / "context.json").read_text()).values()))[1] == 5000

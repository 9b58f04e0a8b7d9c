# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of a release on a host, and who may read them."""

from ansible_collections.flaskops.host.plugins.module_utils.releases import directory
from ansible_collections.flaskops.host.plugins.module_utils.releases.release import Release


def test_only_the_workers_of_nginx_read_the_passwords(tmp_path, monkeypatch):
    """And only root reads the environment."""
    written = {}
    monkeypatch.setattr(
        directory,
        "write_file",
        lambda path, _content, mode, uid=0, gid=0: written.update({path.name: (mode, uid, gid)}),
    )
    monkeypatch.setattr(directory, "make_directory", lambda *_words: None)
    files = {"nginx.conf": "a", "container.env": "b", "nginx.passwords": "c"}
    made = Release("shop", "0" * 12, "default", "/", files=files, root=str(tmp_path))
    directory.Directory(made, 70000, 33).write()
    assert written == {
        "nginx.conf": (0o644, 0, 0),
        "container.env": (0o600, 0, 0),
        "nginx.passwords": (0o640, 0, 33),
        "release.json": (0o600, 0, 0),
    }

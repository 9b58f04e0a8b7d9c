# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Directories that applications write to are mounted nosuid,nodev, now and at boot."""

import os
import shutil
import subprocess

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.host import trees
from ansible_collections.flaskops.host.plugins.module_utils.host.files import HostError
from ansible_collections.flaskops.host.plugins.module_utils.host.places import Place
from ansible_collections.flaskops.host.plugins.module_utils.releases import mount

may_mount = pytest.mark.skipif(
    os.geteuid() != 0
    or bool(subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode),
    reason="mounts",
)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A host where the directory has the flags after a mount, with or without systemd."""
    monkeypatch.setattr(mount, "SYSTEMD", tmp_path / "systemd")
    monkeypatch.setattr(mount, "UNIT", tmp_path / "flaskops-mount.service")
    return tmp_path / "root"


@pytest.fixture
def commands(root, monkeypatch):
    called = []
    monkeypatch.setattr(
        mount,
        "is_closed",
        lambda _place: any("restart" in words or "mount" in words[:1] for words in called),
    )
    monkeypatch.setattr(mount, "_run", called.append)
    return called


def test_with_systemd_a_unit_mounts_the_directory_now_and_before_docker_at_boot(root, commands):
    mount.SYSTEMD.mkdir()
    assert mount.protect(str(root)) == [f"mounted {root}/apps nosuid,nodev, now and at boot"]
    assert commands == [
        ["systemctl", "daemon-reload"],
        *(["systemctl", verb, "flaskops-mount.service"] for verb in ("enable", "restart")),
    ]
    unit = mount.UNIT.read_text()
    assert f"\nExecStart=mount -o bind,nosuid,nodev {root}/apps {root}/apps\n" in unit
    assert f"\nRequiresMountsFor={root}/apps\nBefore=docker.service\n" in unit
    assert "\nWantedBy=docker.service\n" in unit
    assert mount.protect(str(root)) == []


def test_without_systemd_the_run_mounts_the_directory(root, commands):
    assert mount.protect(str(root)) == [f"mounted {root}/apps nosuid,nodev"]
    assert commands == [["mount", "-o", "bind,nosuid,nodev", f"{root}/apps", f"{root}/apps"]]
    assert not mount.UNIT.exists()


@pytest.mark.parametrize("systemd", [True, False])
def test_check_mode_reports_the_change_and_changes_nothing(root, commands, systemd):
    if systemd:
        mount.SYSTEMD.mkdir()
    assert mount.protect(str(root), check_mode=True) != []
    assert (commands, root.exists(), mount.UNIT.exists()) == ([], False, False)


def test_the_error_of_mount_is_the_reason(root, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(OSError, match="mount"):
        mount.protect(str(root))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("echo mount: permission denied. >&2; exit 32", "permission denied"),
        ("exit 1", "exit code 1"),
    ],
)
def test_a_host_that_refuses_the_mount_is_reported(root, monkeypatch, words, reason):
    tools = root.parent / "bin"
    tools.mkdir()
    (tools / "mount").write_text(f"#!{shutil.which('sh')}\n{words}\n")
    (tools / "mount").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    with pytest.raises(HostError, match=reason):
        mount.protect(str(root))


def test_a_mount_without_effect_is_refused(root, monkeypatch):
    monkeypatch.setattr(mount, "_run", lambda _words: None)
    monkeypatch.setattr(mount, "is_closed", lambda _place: False)
    with pytest.raises(HostError, match="no effect here"):
        mount.protect(str(root))


@may_mount
def test_a_real_mount_has_the_flags_and_a_tree_is_moved_to_the_trash_on_it(root):
    release = root / "apps/shop/releases/1"
    release.mkdir(parents=True)
    (release / "file").write_text("x")
    assert not mount.is_closed(root / "apps")
    try:
        assert mount.protect(str(root)) == [f"mounted {root}/apps nosuid,nodev"]
        assert mount.is_closed(release)
        assert not mount.is_closed(root)
        assert mount.protect(str(root)) == []
        moved = (release / "file").stat().st_ino
        trees.put_away(release, str(root))
        assert [path.stat().st_ino for path in Place(root).trash.glob("*/file")] == [moved]
    finally:
        subprocess.run(["umount", root / "apps"], check=True)

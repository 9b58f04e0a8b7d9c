# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every run checks whether the kernel follows a link that an application has planted."""

import os
import stat
from pathlib import Path

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.host.files import HostError
from ansible_collections.flaskops.host.plugins.module_utils.releases import planted


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """A kernel that follows such links until its setting is 1."""
    setting = tmp_path / "protected_symlinks"
    setting.write_text("0\n")
    monkeypatch.setattr(planted, "SETTING", setting)
    monkeypatch.setattr(planted, "AT_BOOT", tmp_path / "sysctl.d/60-flaskops.conf")
    monkeypatch.setattr(planted, "is_followed", lambda: setting.read_text() != "1\n")
    return setting


def test_a_kernel_that_follows_links_is_set_now_and_for_the_next_boot(kernel):
    assert planted.protect() == ["set fs.protected_symlinks to 1, now and at boot"]
    assert kernel.read_text() == "1\n"
    assert "\nfs.protected_symlinks = 1\n" in planted.AT_BOOT.read_text()
    assert planted.protect() == []


def test_check_mode_reports_the_change_and_changes_nothing(kernel):
    assert planted.protect(check_mode=True) != []
    assert kernel.read_text() == "0\n"
    assert not planted.AT_BOOT.exists()


def test_a_host_that_rejects_the_setting_is_refused(kernel, monkeypatch, tmp_path):
    monkeypatch.setattr(planted, "SETTING", tmp_path / "missing/protected_symlinks")
    with pytest.raises(
        HostError,
        match=r"must be 1 on this host.*cannot be set here.*sysctl -w fs\.protected_symlinks=1",
    ):
        planted.protect()


def test_a_host_where_the_setting_has_no_effect_is_refused(kernel, monkeypatch):
    monkeypatch.setattr(planted, "is_followed", lambda: True)
    with pytest.raises(HostError, match="has no effect here"):
        planted.protect()


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a link away")
@pytest.mark.parametrize("follows", [True, False])
def test_the_link_is_planted_where_only_root_can_write(monkeypatch, follows):
    seen = []

    class Looked(type(Path())):
        def stat(self, **more):
            if not (self.name == "link" and not more):
                return super().stat(**more)
            seen.append(
                [stat.S_IMODE(os.stat(path).st_mode) for path in (self.parent, self.parent.parent)]
                + [os.lstat(self).st_uid]
            )
            if not follows:
                raise PermissionError

    monkeypatch.setattr(planted, "Path", Looked)
    assert planted.is_followed() is follows
    assert seen == [[0o1777, 0o700, planted.NOBODY]]

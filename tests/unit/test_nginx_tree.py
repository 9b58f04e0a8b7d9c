"""The transaction, with a fake Nginx that checks one rule of each kind."""

from __future__ import annotations

import errno
import os
import re
from collections import Counter
from pathlib import Path

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.nginx import tree as _nginx_tree
from ansible_collections.flaskops.host.plugins.module_utils.nginx.files import (
    MARKER,
    Transaction,
    copy_tree,
)
from ansible_collections.flaskops.host.plugins.module_utils.nginx.process import (
    Host,
    emergencies,
    error_log_path,
    master_pid,
    nginx_warnings,
    pid_path,
)
from ansible_collections.flaskops.host.plugins.module_utils.nginx.steps import (
    ABSENT,
    Entry,
    NginxError,
    Step,
    parse_wanted,
    safe_order,
)
from ansible_collections.flaskops.host.plugins.module_utils.nginx.tree import (
    Interrupted,
    NginxTree,
    Settings,
    host_lock,
)


def verdict(root: Path) -> str:
    """Nginx in miniature: the main file exists, used names are defined, no duplicate location, no
    broken link.
    """
    text = ""
    names = sorted(
        [*root.glob("nginx.conf"), *root.glob("[!.]*/[!.]*"), *root.glob("[!.]*/[!.]*/[!.]*")]
    )
    for name in names:
        if name.is_dir():
            continue
        if not name.exists():
            return f"nginx: [emerg] open() {name.name} failed"
        text += name.read_text()
    if not (root / "nginx.conf").exists():
        return "nginx: [emerg] no nginx.conf"
    locations = Counter(re.findall(r"location (\S+);", text))
    for word in re.findall(r"use (\w+);", text):
        if f"define {word};" not in text:
            return f"nginx: [emerg] unknown {word}"
    if "bad;" in text:
        return "nginx: [emerg] unknown directive bad"
    for location, count in locations.items():
        if count > 1:
            return f"nginx: [emerg] duplicate location {location}"
    return ""


class FakeHost(Host):
    def __init__(self) -> None:
        super().__init__()
        self.is_installed = True
        self.running = True
        self.refuse_reload: list[str] = []
        self.loaded: list[dict[str, str]] = []
        self.tests = 0

    def installed(self):
        return self.is_installed

    def version(self):
        return "1.26.3" if self.is_installed else None

    def test(self, candidate, root):
        self.tests += 1
        words = verdict(candidate)
        return not words, words + "\nnginx: [warn] something\n"

    def master(self, root):
        return 4711 if self.running else None

    def reload(self, root):
        if self.refuse_reload:
            raise NginxError(self.refuse_reload.pop())
        self.loaded.append(without_dots(snapshot(root)))

    def end_oldest(self, root):
        return []


def snapshot(root: Path) -> dict[str, str]:
    """Everything below the root, including hidden files and links."""
    found = {}
    for path in root.rglob("*"):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = f"-> {os.readlink(path)}"
        elif path.is_file():
            found[name] = path.read_text()
    return found


class Place:
    """A tree in a temporary directory, and how to change it."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.root = base / "nginx"
        self.host = FakeHost()
        self.settings = Settings(self.root, base / "lock", base / "runtime", base / "backups", 0.2)
        for name in ("conf.d", "sites-enabled", "sites-available", "flaskops"):
            (self.root / name).mkdir(parents=True)
        (self.root / "nginx.conf").write_text("old main;\n")
        (self.root / "sites-available/default").write_text("location /default;\n")
        (self.root / "sites-enabled/default").symlink_to("/etc/nginx/sites-available/default")
        (self.root / "sites-enabled/default").unlink()
        (self.root / "sites-enabled/default").symlink_to("../sites-available/default")
        (self.root / "sites-available/default").write_text("")
        for name in "ab":
            (base / f"{name}.conf").write_text(f"location /{name};\n")

    def tree(self, check_mode: bool = False, **params) -> NginxTree:
        reload = params.pop("reload", True)
        return NginxTree(
            parse_wanted(self.root, params), self.settings, self.host, reload, check_mode
        )

    def change(self, check_mode: bool = False, **params):
        return self.tree(check_mode, **params).run()


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


INSTALL = {
    "directories": ["flaskops", "flaskops/default"],
    "files": [
        {"path": "nginx.conf", "content": "new main; use names;\n", "backup": True},
        {"path": "conf.d/names.conf", "content": "define names;\n"},
        {"path": "flaskops/default.conf", "content": "location /default;\n"},
    ],
    "absent": ["sites-enabled/default"],
}


def test_a_change_is_applied_as_a_whole_and_loaded_once(place):
    result = place.change(**INSTALL)
    assert result["changed"]
    assert result["actions"] == [
        f"Create the directory {place.root}/flaskops/default",
        f"Write {place.root}/conf.d/names.conf",
        f"Write {place.root}/flaskops/default.conf",
        f"Remove {place.root}/sites-enabled/default",
        f"Write {place.root}/nginx.conf",
        "Reload Nginx",
    ]
    assert result["reloaded"] and result["tested"] and result["version"] == "1.26.3"
    assert result["warnings"] == ["something"]
    assert (place.root / "nginx.conf").read_text() == "new main; use names;\n"
    assert (place.root / "nginx.conf").stat().st_mode & 0o777 == 0o644
    assert (place.root / "flaskops/default").stat().st_mode & 0o777 == 0o755
    assert not (place.root / "sites-enabled/default").is_symlink()
    assert place.host.loaded == [snapshot(place.root)]
    assert not list(place.settings.runtime.iterdir()), "no candidate and no mark is left"


def test_a_repeated_change_does_nothing_not_even_a_test(place):
    place.change(**INSTALL)
    tests = place.host.tests
    result = place.change(**INSTALL)
    assert (result["changed"], result["actions"], result["diff"]) == (False, [], [])
    assert place.host.tests == tests
    assert len(place.host.loaded) == 1


def test_a_foreign_file_is_backed_up_once(place):
    result = place.change(**INSTALL)
    [kept] = result["backups"]
    assert Path(kept).read_text() == "old main;\n"
    assert Path(kept).parent == place.settings.backups
    (place.root / "nginx.conf").write_text("old main;\n")
    assert place.change(**INSTALL)["backups"] == [], "the same content is kept already"
    (place.root / "nginx.conf").write_text(f"# {MARKER}\nedited;\n")
    assert place.change(**INSTALL)["backups"] == [], "ours need no copy"
    (place.root / "conf.d/theirs.conf").write_text("theirs;\n")
    [kept] = place.change(absent=["conf.d/theirs.conf"])["backups"]
    assert Path(kept).read_text() == "theirs;\n"


def test_check_mode_reports_the_same_and_writes_nothing(place):
    before = snapshot(place.root)
    predicted = place.change(check_mode=True, **INSTALL)
    assert snapshot(place.root) == before
    assert (
        not place.settings.runtime.exists()
        and not place.settings.lock.exists()
        and not place.host.loaded
    )
    real = place.change(**INSTALL)
    for key in ("changed", "actions", "diff", "tested"):
        assert predicted[key] == real[key], key
    assert predicted["reloaded"] is False


def test_check_mode_on_a_bare_host_predicts_without_a_test(tmp_path):
    place = Place(tmp_path / "other")
    place.settings.root = tmp_path / "none"
    place.root = tmp_path / "none"
    place.host.is_installed = False
    result = place.change(check_mode=True, **INSTALL)
    assert result["changed"] and not result["tested"] and result["version"] is None
    assert f"Create the directory {place.root}/conf.d" in result["actions"]


def test_check_mode_predicts_a_link_to_a_file_that_a_real_run_would_create(place):
    link = {"path": "flaskops/default/a.conf", "target": str(place.base / "later.conf")}
    result = place.change(check_mode=True, links=[link])
    assert result["changed"] and not result["tested"]
    with pytest.raises(
        NginxError, match=r"targets of links do not exist, Nginx would not start: .*later.conf"
    ):
        place.change(links=[link])


def test_check_mode_refuses_what_a_real_run_would_refuse(place):
    with pytest.raises(NginxError, match="unknown directive bad"):
        place.change(check_mode=True, files=[{"path": "conf.d/x.conf", "content": "bad;"}])


def test_nginx_must_be_installed(place):
    place.host.is_installed = False
    with pytest.raises(NginxError, match=r"/usr/sbin/nginx is not there: install Nginx first."):
        place.change(**INSTALL)


def test_a_refused_change_is_never_written_to_disk(place):
    before = snapshot(place.root)
    with pytest.raises(NginxError) as caught:
        place.change(files=[{"path": "conf.d/x.conf", "content": "bad;"}])
    assert (
        str(caught.value)
        == "Nginx refuses the new configuration:\n[emerg] unknown directive bad\nNothing was"
        " changed, the old configuration goes on serving."
    )
    assert snapshot(place.root) == before and not place.host.loaded


def test_a_configuration_that_was_broken_before_is_named_as_such(place):
    (place.root / "conf.d/theirs.conf").write_text("bad;")
    with pytest.raises(NginxError) as caught:
        place.change(files=[{"path": "conf.d/x.conf", "content": "fine;"}])
    assert (
        str(caught.value)
        == "Nginx refuses the configuration that this host has already, before the change:\n"
        "[emerg] unknown directive bad\n"
        "Fix or move what it names (`nginx -t` shows it), then run again. Nothing was changed."
    )


def test_a_change_may_fix_a_configuration_that_was_broken_before(place):
    (place.root / "conf.d/x.conf").write_text("bad;")
    files = [
        {"path": "conf.d/x.conf", "content": "fine;"},
        {"path": "nginx.conf", "content": "new;"},
    ]
    assert place.change(files=files)["changed"]


def test_a_failed_reload_restores_and_loads_the_old_configuration(place):
    before = snapshot(place.root)
    place.host.refuse_reload = ["[emerg] bind() to 0.0.0.0:81 failed (98: Address already in use)"]
    with pytest.raises(NginxError) as caught:
        place.change(**INSTALL)
    assert (
        str(caught.value) == "Nginx did not load the new configuration:\n"
        "[emerg] bind() to 0.0.0.0:81 failed (98: Address already in use)\n"
        "The old configuration is back in its place and loaded."
    )
    assert snapshot(place.root) == before
    assert place.host.loaded == [before]
    assert not (place.root / "flaskops/default").exists()


def test_if_the_old_configuration_does_not_load_either_both_errors_are_reported(place):
    place.host.refuse_reload = ["second", "first"]
    with pytest.raises(NginxError) as caught:
        place.change(**INSTALL)
    assert (
        str(caught.value) == "Nginx did not load the new configuration:\nfirst\n"
        "The old configuration is back in its place. Nginx did not load it again, though: second"
    )


def test_a_stopped_nginx_is_not_reloaded(place):
    place.host.running = False
    result = place.change(**INSTALL)
    assert result["changed"] and not result["reloaded"]
    assert "Reload Nginx" not in result["actions"]


def test_reload_false_leaves_it_to_the_caller(place):
    result = place.change(reload=False, **INSTALL)
    assert result["changed"] and not result["reloaded"] and not place.host.loaded


def test_a_link_is_moved_by_rename(place):
    link = {"path": "flaskops/default/a.conf", "target": str(place.base / "a.conf")}
    place.change(links=[link])
    result = place.change(links=[{**link, "target": str(place.base / "b.conf")}])
    assert result["actions"] == [
        f"Link {place.root}/flaskops/default/a.conf to {place.base}/b.conf",
        "Reload Nginx",
    ]
    assert result["diff"][0]["before"] == f"-> {place.base}/a.conf\n"
    assert result["diff"][0]["after"] == f"-> {place.base}/b.conf\n"


def test_two_apps_may_swap_their_paths(place):
    paths = ("flaskops/default/one.conf", "flaskops/default/two.conf")
    targets = [str(place.base / "a.conf"), str(place.base / "b.conf")]
    place.change(
        links=[
            {"path": path, "target": target} for path, target in zip(paths, targets, strict=True)
        ]
    )
    states = watch(place)
    result = place.change(
        links=[
            {"path": path, "target": target}
            for path, target in zip(paths, reversed(targets), strict=True)
        ]
    )
    assert result["changed"] and not [state for state in states if state]
    assert os.readlink(place.root / paths[0]) == targets[1]
    assert os.readlink(place.root / paths[1]) == targets[0]


def watch(place) -> list[str]:
    """Collect the verdict on the real tree after every commit."""
    states: list[str] = []
    original = Transaction.commit

    def commit(self, step):
        original(self, step)
        states.append(verdict(self.root))

    Transaction.commit = commit  # undone by the fixture below
    return states


@pytest.fixture(autouse=True)
def _no_disk(monkeypatch):
    """The faults count fsync as a call; the tests do not wait for the disk."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture(autouse=True)
def _restore_commit():
    original = Transaction.commit
    yield
    Transaction.commit = original


def test_uses_of_a_name_are_removed_before_its_definition(place):
    place.change(**INSTALL)
    states = watch(place)
    place.change(
        files=[
            {"path": "conf.d/names.conf", "content": "define others;\n"},
            {"path": "conf.d/a.conf", "content": "define names;\n"},
            {"path": "nginx.conf", "content": "new main; use others;\n"},
        ],
    )
    assert states and not [state for state in states if state]


def test_a_change_without_a_safe_order_is_reported(place):
    place.change(**INSTALL)
    result = place.change(
        files=[
            {"path": "conf.d/names.conf", "content": "define others;\n"},
            {"path": "nginx.conf", "content": "new main; use others;\n"},
        ],
    )
    assert result["warnings"][-1].startswith("No order of the steps keeps Nginx able to start")


CHANGE = {
    "directories": ["flaskops/other"],
    "files": [
        {"path": "nginx.conf", "content": "newer main; use names; use more;\n"},
        {"path": "conf.d/more.conf", "content": "define more;\n"},
    ],
    "absent": ["flaskops/default.conf", "flaskops/default/b.conf"],
}
CALLS = ("rename", "fsync", "link", "symlink", "unlink", "mkdir", "fchmod", "rmdir")


def prepared(base: Path) -> Place:
    place = Place(base)
    links = [
        {"path": f"flaskops/default/{name}.conf", "target": str(base / f"{name}.conf")}
        for name in "ab"
    ]
    place.change(**INSTALL, links=links)
    place.host.loaded.clear()
    return place


def wanted_change(place: Place) -> dict:
    return {
        **CHANGE,
        "links": [{"path": "flaskops/default/a.conf", "target": str(place.base / "b.conf")}],
    }


class Faults:
    """Raise once, before or after the n-th call that changes something in the real tree."""

    def __init__(self, monkeypatch, number: int, when: str, error: type[BaseException]):
        self.count = 0
        self.fired = False
        for name in CALLS:
            original = getattr(os, name)
            monkeypatch.setattr(os, name, self.wrap(original, number, when, error))

    def wrap(self, original, number, when, error):
        def call(*args, **kwargs):
            where = (
                os.readlink(f"/proc/self/fd/{args[0]}")
                if isinstance(args[0], int)
                else str(args[0])
            )
            self.count += "candidate-" not in where
            now = self.count == number and not self.fired
            self.fired = self.fired or now
            if now and when == "before":
                raise error(errno.ENOSPC, "No space left on device")
            result = original(*args, **kwargs)
            if now:
                raise error(errno.ENOSPC, "No space left on device")
            return result

        return call


class Killed(BaseException):
    """kill -9: nothing catches it, nothing is restored."""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("error", [OSError, Interrupted])
def test_a_fault_anywhere_leaves_the_old_tree_or_the_new_one(tmp_path, error, when):
    number, seen = 0, Counter()
    while True:
        number += 1
        place = prepared(tmp_path / f"{number}")
        before = snapshot(place.root)
        with pytest.MonkeyPatch.context() as monkeypatch:
            faults = Faults(monkeypatch, number, when, error)
            try:
                place.change(**wanted_change(place))
            except NginxError:
                seen["failed"] += 1
                assert snapshot(place.root) == before, f"fault {number}"
                assert not (place.root / "flaskops/other").exists()
                assert not place.host.loaded or place.host.loaded[-1] == before
            except OSError:
                assert snapshot(place.root) in (
                    before,
                    without_dots(snapshot(place.root)),
                ), f"fault {number}"
        result = place.change(**wanted_change(place))
        again = snapshot(place.root)
        assert "newer main" in again["nginx.conf"] and without_dots(again) == again, (
            f"fault {number}"
        )
        assert place.host.loaded[-1] == again, (
            f"fault {number}: the tree on disk is loaded ({result})"
        )
        if not faults.fired:
            break
    assert seen["failed"] > 12


def without_dots(state: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in state.items() if not Path(name).name.startswith(".")}


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_anywhere_leaves_a_valid_tree_and_the_next_run_completes_the_change(tmp_path, when):
    number = 0
    while True:
        number += 1
        place = prepared(tmp_path / f"{number}")
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr(NginxTree, "_put_back", lambda *_: None)
            monkeypatch.setattr(_nginx_tree.shutil, "rmtree", lambda *_, **__: None)
            faults = Faults(monkeypatch, number, when, Killed)
            try:
                place.change(**wanted_change(place))
            except Killed:
                assert verdict(place.root) == "", f"kill {number}"
        place.change(**wanted_change(place))
        state = snapshot(place.root)
        assert without_dots(state) == state and "newer main" in state["nginx.conf"], (
            f"kill {number}"
        )
        assert place.host.loaded[-1] == state, f"kill {number}: the tree on disk is loaded"
        assert not list(place.settings.runtime.iterdir()), f"kill {number}"
        if not faults.fired:
            break
    assert number > 20


def test_a_second_run_waits_for_the_lock_and_then_reports_who_holds_it(place):
    with (
        host_lock(place.settings.lock, 1, False),
        pytest.raises(
            NginxError,
            match=rf"Another run .* \(process {os.getpid()}, lock {place.settings.lock}\)",
        ),
    ):
        place.change(**INSTALL)
    assert place.change(**INSTALL)["changed"]


def test_a_lock_that_is_a_link_is_not_followed(place):
    place.settings.lock.symlink_to(place.base / "elsewhere")
    with pytest.raises(NginxError, match="cannot be opened"):
        place.change(**INSTALL)
    assert not (place.base / "elsewhere").exists()


def test_links_in_the_tree_stay_links_in_the_candidate(place, tmp_path):
    outside = tmp_path / "module.conf"
    outside.write_text("module;")
    (place.root / "conf.d/module.conf").symlink_to(outside)
    os.mkfifo(place.root / "conf.d/.pipe")
    copy = tmp_path / "copy"
    copy_tree(place.root, copy)
    assert os.readlink(copy / "conf.d/module.conf") == str(outside)
    assert os.readlink(copy / "sites-enabled/default") == "../sites-available/default"
    assert not (copy / "conf.d/.pipe").exists()


def test_no_file_is_written_through_a_link(place, tmp_path):
    (tmp_path / "outside").mkdir()
    (place.root / "linked").symlink_to(tmp_path / "outside")
    with pytest.raises(
        NginxError, match=r"linked is a link; flaskops.host needs a real directory there\."
    ):
        place.change(files=[{"path": "linked/x.conf", "content": "x"}])


def test_foreign_files_do_not_become_links_and_nonempty_directories_stay(place):
    (place.root / "conf.d/a.conf").write_text("theirs")
    with pytest.raises(NginxError) as caught:
        place.change(
            links=[{"path": "conf.d/a.conf", "target": str(place.base / "a.conf")}],
            files=[{"path": "sites-enabled", "content": ""}],
            absent=["conf.d"],
        )
    assert str(caught.value).replace(str(place.root), "R").splitlines() == [
        (
            "R/conf.d/a.conf is a file that flaskops.host did not put there; move it away, a link"
            " belongs there."
        ),
        "R/sites-enabled is a directory; move it away, a file belongs there.",
        "R/conf.d is to be removed but holds a.conf; move that away.",
    ]


def test_a_directory_is_removed_with_its_last_file(place):
    place.change(files=[{"path": "flaskops/shop/x.conf", "content": "x;"}])
    place.change(absent=["flaskops/shop", "flaskops/shop/x.conf"])
    assert not (place.root / "flaskops/shop").exists()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"files": [{"path": "../x", "content": ""}]}, "files: '../x' is not a plain path"),
        (
            {"files": [{"path": "/etc/passwd", "content": ""}]},
            "files: '/etc/passwd' is not below /etc/nginx",
        ),
        (
            {"files": [{"path": "a", "content": "", "mode": "rw"}]},
            "files: a: mode is 'rw'; write it as \"0644\".",
        ),
        (
            {"links": [{"path": "a", "target": "b"}]},
            "links: a: target is 'b'; give an absolute path.",
        ),
        (
            {"absent": ["a", "/etc/nginx/a"]},
            "absent: a is named twice; a path is either a file, a link or absent.",
        ),
        ({"directories": ["/etc/nginx/"]}, "directories: '/etc/nginx/' is not a plain path"),
        ({"absent": ["a\nb"]}, "absent: 'a\\nb' is not a plain path"),
    ],
)
def test_invalid_parameters_are_refused(params, message):
    with pytest.raises(NginxError) as caught:
        parse_wanted(Path("/etc/nginx"), params)
    assert message in str(caught.value)


def test_all_invalid_parameters_are_reported_together():
    with pytest.raises(NginxError) as caught:
        parse_wanted(
            Path("/etc/nginx"), {"absent": ["..", "a//b"], "links": [{"path": "x", "target": "y"}]}
        )
    assert len(str(caught.value).splitlines()) == 3


def test_safe_order_runs_only_the_checks_that_it_needs():
    asked = []
    steps = [Step("a", ABSENT, Entry("file", b"a")), Step("b", ABSENT, Entry("file", b"b"))]

    def accepted(some):
        asked.append([step.path for step in some])
        return some[0].path == "b"

    assert [step.path for step in safe_order(steps, accepted)] == ["b", "a"]
    assert asked == [["a"], ["b"]], "the final state is known to be good"


def test_the_error_of_nginx_is_extracted_from_its_output():
    text = (
        "flaskops:mounted\nnginx: [warn] w\nnginx: [emerg] e in /etc/nginx/x:1\nnginx:"
        " configuration file test failed\n"
    )
    assert emergencies(text) == "[emerg] e in /etc/nginx/x:1"
    assert nginx_warnings(text + text) == ["w"]
    assert emergencies("strange\n") == "strange"
    assert (
        emergencies('2026/11/21 08:54:17 [emerg] 92#92: unknown "x"\nbye\n')
        == '[emerg] unknown "x"'
    )


def test_the_pid_file_is_read_from_the_main_configuration():
    assert pid_path("user x;\npid /run/other.pid;\n") == Path("/run/other.pid")
    assert pid_path("# pid /no;\n") == Path("/run/nginx.pid")
    assert error_log_path("error_log /var/log/x.log warn;\n") == Path("/var/log/x.log")


def test_a_stale_pid_file_is_ignored(tmp_path):
    pid = tmp_path / "nginx.pid"
    pid.write_text(f"{os.getpid()}\n")
    assert master_pid(f"pid {pid};", "/no/such/nginx") is None
    pid.write_text("\n")
    assert master_pid(f"pid {pid};", "/no/such/nginx") is None


def test_a_refused_namespace_reports_what_it_needs(tmp_path, monkeypatch):
    host = Host()
    monkeypatch.setattr(
        Host,
        "_run",
        staticmethod(lambda *_: (1, "unshare: unshare failed: Operation not permitted\n")),
    )
    with pytest.raises(
        NginxError,
        match=r"unshare failed: Operation not permitted.*CAP_SYS_ADMIN.*Nothing was changed",
    ):
        host.test(tmp_path, tmp_path)

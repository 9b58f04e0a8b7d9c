# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""No text from an application, an image, a build, a repository or a client controls a terminal, at
any border.
"""

import json
import subprocess
import types
import unicodedata

import pytest
from ansible_collections.flaskops.host.plugins.callback import summary
from ansible_collections.flaskops.host.plugins.filter.flask_apps import normalize_apps
from ansible_collections.flaskops.host.plugins.module_utils.apps.sources import git
from ansible_collections.flaskops.host.plugins.module_utils.host import engine as _engine
from ansible_collections.flaskops.host.plugins.module_utils.host.shown import (
    decoded,
    shown,
    shown_line,
)
from ansible_collections.flaskops.host.plugins.module_utils.images import build, pull
from ansible_collections.flaskops.host.plugins.module_utils.releases import (
    audit,
    image_files,
    probe,
    process_steps,
    report,
)
from ansible_collections.flaskops.host.plugins.module_utils.releases import gate as release_gate
from ansible_collections.flaskops.host.plugins.module_utils.releases import (
    one_off as release_command,
)
from ansible_collections.flaskops.host.plugins.module_utils.releases.app import (
    Health,
    Process,
    Static,
)
from ansible_collections.flaskops.host.plugins.module_utils.releases.app_path import AppPath
from ansible_collections.flaskops.host.plugins.module_utils.releases.lock import Owner
from ansible_collections.flaskops.host.plugins.module_utils.releases.work import Work

# The title of the window, a cleared screen, a hidden line, C1 in UTF-8, bidi overrides, a carriage
# return, a backspace, a space without width, invalid UTF-8.
BYTES = (
    b"\x1b]0;x\x07\x1b[2J\x1b[8m\xc2\x9b2J\xe2\x80\xae\xe2\x81\xa6\xe2\x80\x8b"
    b"\rgone\x08\x7f\x00\xff\xfe\xed\xa0\x80 end"
)
TEXT = BYTES.decode(errors="replace")
# What shown text may contain: letters of all languages, and line ends.
HARMFUL = {"Cc", "Cs", "Zl", "Zp"}
UNSEEN = "\u00ad\u200b\u2060\ufeff"
BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def harmful(text):
    found = [char for char in str(text) if char not in "\n\t"]
    return [
        char
        for char in found
        if char in UNSEEN
        or unicodedata.category(char) in HARMFUL
        or unicodedata.bidirectional(char) in BIDI
    ]


def test_every_terminal_control_character_is_escaped():
    everything = "".join(map(chr, range(0x110000)))
    assert not harmful(shown(everything))
    assert (
        not harmful(shown_line(everything))
        and "\n" not in shown_line(everything)
        and "\t" not in shown_line(everything)
    )


def test_all_other_text_is_unchanged():
    kept = "Grüße, 日本語, שלום, مرحبا, 👩\u200d💻\tan indent\nand a line"
    assert shown(kept) == kept
    assert shown("a\r\nb\n") == "a\nb\n"


def test_escaped_characters_are_readable():
    assert decoded(b"\x1b[2J\xc2\x9b\xe2\x80\xae\xff\r") == r"\x1b[2J\x9b\u202e\xff\x0d"
    assert shown_line("a\nb") == r"a\x0ab"


def command(monkeypatch, module=subprocess, code=1):
    """A command that prints all of these characters and fails."""

    def run(words, **how):
        text = how.get("text") or "errors" in how
        result = BYTES.decode(errors=how["errors"]) if text else BYTES
        return subprocess.CompletedProcess(words, code, result, result)

    monkeypatch.setattr(module, "run", run)


def raised(call, *words, **more):
    with pytest.raises(Exception) as found:
        call(*words, **more)
    assert not isinstance(found.value, UnicodeError)
    return str(found.value)


class Says:
    """An engine whose containers log all of these characters."""

    command = "docker"

    def inspect(self, *_words):
        return {"State": {"Running": False, "ExitCode": 1}, "Config": {}}

    def run(self, *words, **_how):
        return {"wait": "1", "inspect": "[]"}.get(words[0], TEXT)


def of_the_engine(monkeypatch, _tmp_path):
    command(monkeypatch)
    return raised(_engine.Docker().run, "start", "x")


def of_a_build(monkeypatch, _tmp_path):
    command(monkeypatch)
    return raised(build.build, _engine.Docker(), "/x", "x", [])


def of_a_registry(monkeypatch, _tmp_path):
    command(monkeypatch)
    monkeypatch.setattr(_engine.Docker, "inspect", lambda *_: {})
    return raised(pull.pull, _engine.Docker(), "x")


def of_a_login(monkeypatch, _tmp_path):
    command(monkeypatch)
    return raised(pull.pull, _engine.Docker(), "x", "me", "x")


def of_a_label(_monkeypatch, _tmp_path):
    return raised(build.refuse_labels, {"Config": {"Labels": {f"host.flaskops.{TEXT}": ""}}}, "x")


def of_a_log(_monkeypatch, tmp_path):
    (tmp_path / "docker").write_bytes(
        b"#!/bin/sh\nprintf '%s\\n' '" + BYTES.replace(b"\x00", b"") + b"'\n"
    )
    (tmp_path / "docker").chmod(0o755)
    engine = _engine.Docker()
    engine.command = str(tmp_path / "docker")
    return _engine.logs(engine, "x", 10)


def of_a_refused_release(monkeypatch, _tmp_path):
    monkeypatch.setattr(release_gate, "Docker", Says)
    check = release_gate.HealthCheck("x", "/x", "localhost", AppPath("/"), Health())
    return raised(release_gate.Gate(check).run)


def of_a_release_command(_monkeypatch, _tmp_path):
    return raised(release_command.run, Says(), "x", 1)


def of_a_process(_monkeypatch, _tmp_path):
    start = process_steps.StartProcesses("/x", Says())
    start._failed(Work("x", "1"), Process("p", "c"), "ended")
    return start.failures["x"]


def of_an_answer(_monkeypatch, tmp_path):
    class Answer:
        status, length = 200, 1

        def read1(self, _size):
            return BYTES

    connection = types.SimpleNamespace(
        begin=lambda: None, request=lambda *_, **__: None, getresponse=Answer
    )
    return probe.ask(connection, "/", {})[1]


def of_what_is_no_answer(_monkeypatch, _tmp_path):
    return probe.problem(probe.http.client.BadStatusLine(TEXT))


def of_an_answer_through_nginx(monkeypatch, _tmp_path):
    monkeypatch.setattr(probe, "ask", lambda *_: (200, TEXT))
    return probe.check(
        probe.Question("x", "1", "", "/", "h", 1, ("200",)),
        0,
    )


def of_static_files(monkeypatch, _tmp_path):
    command(monkeypatch)
    files = image_files.ImageFiles(_engine.Docker(), "x", "x")
    return raised(files.copy_static, Static("/static", "static"), None)


def of_a_task_that_failed(_monkeypatch, _tmp_path):
    return report.failure(
        {"name": "x", "id": "1", "live": None}, "a task", {"msg": TEXT, "stderr": TEXT}
    )


def of_a_repository(monkeypatch, tmp_path):
    command(monkeypatch)
    return raised(git.Repository("https://git.example.org/x.git", cache=tmp_path).checkout, "main")


def of_a_dockerfile(_monkeypatch, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM tiangolo/uwsgi-nginx-flask:\x1b[2J\u202e\x9b\n")
    (tmp_path / "main.py").write_text("app = 1\n")
    found = normalize_apps([{"name": "x", "path": "/", "source": str(tmp_path)}])
    assert "tiangolo" in str(found["notes"])
    return "\n".join([*found["notes"], found["message"], *found["problems"]])


def of_the_status(_monkeypatch, _tmp_path):
    keys = (
        "name",
        "state",
        "release",
        "since",
        "health",
        "image",
        "container",
        "path",
        "url",
        "memory",
        "restarts",
        "locked_by",
    )
    keys += ("disk", "reason")
    lines = report.status_table(
        {TEXT: [{**dict.fromkeys(keys, TEXT), "processes": {TEXT: TEXT}, "previous": [TEXT]}]}
    )
    assert len(lines) == 2
    return "\n".join(lines)


def of_the_audit(monkeypatch, tmp_path):
    (tmp_path / "apps/x").mkdir(parents=True)
    audit.write(
        str(tmp_path),
        "x",
        Owner("t", TEXT),
        action=TEXT,
        before=TEXT,
        to=TEXT,
        result=TEXT,
        reason=TEXT,
    )
    line = (tmp_path / "apps/x/audit.jsonl").read_text()
    assert json.loads(line)["reason"] == TEXT
    return line


def of_the_summary(monkeypatch, _tmp_path):
    lines = []
    callback = summary.CallbackModule()
    callback._display = types.SimpleNamespace(display=lines.append, banner=lines.append)
    callback.get_option = lambda _name: 5
    callback.check = False
    callback.tasks = [(TEXT, 1.0)]
    app = {**dict.fromkeys(("name", "url", "release", "wanted"), TEXT), "changed": True}
    task, host = (
        types.SimpleNamespace(action="ansible.builtin.set_fact"),
        types.SimpleNamespace(get_name=lambda: TEXT),
    )
    callback.v2_runner_on_ok(
        types.SimpleNamespace(
            task=task, host=host, result={"ansible_facts": {"flask_apps_live": [app]}}
        )
    )
    callback.v2_playbook_on_stats(None)
    assert len(lines) > 4
    return "\n".join(lines)


BORDERS = [value for name, value in list(globals().items()) if name.startswith("of_")]


@pytest.mark.parametrize("border", BORDERS, ids=lambda border: border.__name__)
def test_input_at_each_border_is_escaped(monkeypatch, tmp_path, border):
    result = border(monkeypatch, tmp_path)
    assert not harmful(result), result
    assert "x1b" in result or "u001b" in result, result  # the text is shown, and readable


def test_an_endless_log_is_read_up_to_the_limit(tmp_path, monkeypatch):
    (tmp_path / "docker").write_text("#!/bin/sh\nexec yes xxxxxxxxxxxxxxxx\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setattr(_engine, "LOG_SECONDS", 1)
    engine = _engine.Docker()
    engine.command = str(tmp_path / "docker")
    assert _engine.logs(engine, "x", 3) == "\n".join(["x" * 16] * 3)


def test_an_endless_line_is_truncated(tmp_path):
    (tmp_path / "docker").write_text(
        "#!/bin/sh\nhead -c 50000000 /dev/zero | tr '\\0' x\necho; echo last\n"
    )
    (tmp_path / "docker").chmod(0o755)
    engine = _engine.Docker()
    engine.command = str(tmp_path / "docker")
    first, last = _engine.logs(engine, "x", 10).splitlines()
    assert (len(first) < 2100, last) == (True, "last")

"""The application's uwsgi.ini, and the part of it that is used."""

import re
from pathlib import Path

from _replaced import UWSGI, decided

# Options that name the application; the entrypoint reads them.
PLACE = ("module", "wsgi", "callable", "wsgi-file", "file")
INCLUDES = ("ini", "include", "inherit")
DEPTH = 8


def ours(option):
    return option.lower().replace("_", "-") in {*UWSGI, *INCLUDES, "cheaper", "processes"}


class Ini:
    """A uwsgi.ini: its options in their order. A missing one is empty."""

    def __init__(self, path=None):
        self.path = path if path and Path(path).is_file() else None
        self.named = set()  # the names of %(name)
        self.lines = list(self._replaced(list(_lines(Path(self.path))))) if self.path else []

    def _replaced(self, lines):
        """Replace %(name) by the value of the first option of that name, as uWSGI does."""
        values = {}
        for name, value, _line in lines:
            values.setdefault(name, value)

        def resolve(text, depth=0):
            def value(match):
                if match[0] == "%%":
                    return match[0]
                name = match[1].replace("_", "-")
                self.named.add(name)
                return (
                    resolve(values[name], depth + 1)
                    if name in values and depth < DEPTH
                    else match[0]
                )

            return re.sub(r"%%|%\(([\w-]+)\)", value, text)

        for name, value, line in lines:
            yield name, resolve(value), resolve(line)

    def last(self, *names):
        """The value that is used; "" without one."""
        return next((value for name, value, _line in reversed(self.lines) if name in names), "")

    def directory(self, root):
        """The directory where the application starts."""
        chdir = self.last("chdir", "chdir2")
        return (root / chdir) if chdir and "%" not in chdir and "$" not in chdir else root

    def application(self):
        """The module (or file) and the callable that it names."""
        module, name = self.last("module", "wsgi"), self.last("callable")
        mount = self.last("mount").partition("=")[2]
        module = module or self.last("wsgi-file", "file") or mount
        if any(sign in module for sign in "%$("):
            return "", ""
        module, _, found = module.partition(":")
        return (
            module.replace("/", ".").removesuffix(".py") if module == mount else module
        ), found or name

    def filtered(self, release, options=frozenset()):
        """Its text without the options that the role decides, and notes on these.

        A name that %(name) refers to, and that is not an option of uWSGI, has had its effect.
        """
        kept, notes = ["[uwsgi]"], []
        for name, value, line in self.lines:
            if (
                name in PLACE
                or name in INCLUDES
                or (name in self.named and name not in {*UWSGI, *options})
            ):
                continue
            note = decided(name) if name in UWSGI else ""
            if name == "threads" and release.last("gevent"):
                note = "with websocket: true greenlets replace threads"
            if not note:
                kept.append(line)
            elif value != release.last(name):
                notes.append(f"{name} = {value} is left out: {note}")
        return "\n".join(kept) + "\n" if len(kept) > 1 else "", list(dict.fromkeys(notes))


def own(env, root, app):
    """The application's uwsgi.ini: the file of UWSGI_INI, else the one beside the application, or
    at the path of the presets.
    """
    named = env.get("UWSGI_INI")
    places = (
        [Path(named)]
        if named
        else [root / "uwsgi.ini", app / "uwsgi.ini", Path("/etc/uwsgi/uwsgi.ini")]
    )
    return Ini(next((place for place in places if place.is_file()), None))


def _lines(path, depth=0):
    """The options of the section uwsgi in their order, with those of included files in between;
    placeholders of the file (%p) are replaced.
    """
    files = {
        "%p": path,
        "%d": f"{path.parent}/",
        "%s": path.name,
        "%n": path.stem,
        "%c": path.parent.name,
    }
    section = None
    for line in path.read_text("utf-8-sig").splitlines():
        text = line.strip()
        if re.fullmatch(r"\[.*\]", text):
            section = text[1:-1].strip()
        if section != "uwsgi" or not text or text[0] in "[;#":
            continue
        text = re.sub(r"%%|%[pdsnc]", lambda match: str(files.get(match[0], match[0])), text)
        name, equals, value = (part.strip() for part in text.partition("="))
        name = name.replace("_", "-")
        yield name, value, text
        if name in INCLUDES and equals and depth < DEPTH and (path.parent / value).is_file():
            yield from _lines(path.parent / value, depth + 1)

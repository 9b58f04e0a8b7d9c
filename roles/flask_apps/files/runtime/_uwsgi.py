"""The application's own uwsgi.ini: what of it counts."""

import re
from pathlib import Path

from _replaced import UWSGI, decided

# They name the application, and are read for it.
PLACE = ("module", "wsgi", "callable", "wsgi-file", "file")
INCLUDES = ("ini", "include", "inherit")
DEPTH = 8


def ours(option):
    return option.lower().replace("_", "-") in {*UWSGI, *INCLUDES, "cheaper", "processes"}


class Ini:
    """A uwsgi.ini, as lines and as options in their order. One that is not there is empty."""

    def __init__(self, path=None):
        self.path = path if path and Path(path).is_file() else None
        self.named = set()  # what %(name) refers to
        self.lines = list(self._replaced(list(_lines(Path(self.path))))) if self.path else []

    def _replaced(self, lines):
        """With the values that %(name) stands for: as uWSGI has it, the first of that name,
        wherever it is.
        """
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
        """The value that counts, "" when there is none."""
        return next((value for name, value, _line in reversed(self.lines) if name in names), "")

    def directory(self, root):
        """Where the application is started."""
        chdir = self.last("chdir", "chdir2")
        return (root / chdir) if chdir and "%" not in chdir and "$" not in chdir else root

    def application(self):
        """What it names, as module (or file) and callable."""
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
        """Its text without what the role decides, and notes on what that is.

        A name that is none of uWSGI's options, and that %(name) refers to, has had its effect.
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
                note = "with websocket: true greenlets take their place"
            if not note:
                kept.append(line)
            elif value != release.last(name):
                notes.append(f"{name} = {value} is left out: {note}")
        return "\n".join(kept) + "\n" if len(kept) > 1 else "", list(dict.fromkeys(notes))


def own(env, root, app):
    """The application's own uwsgi.ini: the one that UWSGI_INI names, else the one beside it, or
    where the presets have theirs.
    """
    named = env.get("UWSGI_INI")
    places = (
        [Path(named)]
        if named
        else [root / "uwsgi.ini", app / "uwsgi.ini", Path("/etc/uwsgi/uwsgi.ini")]
    )
    return Ini(next((place for place in places if place.is_file()), None))


def _lines(path, depth=0):
    """Options of the section uwsgi in their order, those of included files in their place; what
    stands for a file (%p) is replaced.
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

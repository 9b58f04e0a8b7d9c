# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find phrases outside the register of the documentation, task names without a standard verb, and
lines that are too long.

python3 tests/docs/house_style.py [FILE…]  shows what it finds, with the phrase to use
python3 tests/docs/house_style.py --write  lowers the counts of unswept.yml to what is left
"""

import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
UNSWEPT = ROOT / "tests/docs/unswept.yml"
HEAD = """---
# Findings that are left in files that are not swept yet. A count can only shrink; to lower it:
# python3 tests/docs/house_style.py --write
"""

# What is not read: applications and recorded outputs of tests, licences, lists, and this list.
FOREIGN = re.compile(
    r"molecule/[^/]+/apps/|tests/unit/servers\.txt|tests/docs/(house_style|test_house_style)\.py"
    r"|tests/docs/unswept\.yml|LICENSE|.*\.(txt|lock|css|js|svg|json|vtt)$"
)

# A regular expression, and what to write in its place.
PHRASES = {
    r"told": "says, reports, gives, passes",
    r"[Tt]ells? (of|what|who|whether|how|when|where|which|it|them|apart)": "says, reports, gives",
    r"[Hh]as to|(?<!not )(?<!n't )(?<!without )[Hh]ave to": "must",
    r"[Aa]new": "again; rebuilt, re-pulled",
    r"[Mm]end(s|ed|ing)?": "fix, repair",
    r"(lays?|laid|laying) (it |them |\w+ \w+ )?down": "write, create",
    r"of (its|their|your|his|her|our) own": "its own X; a separate X",
    r"of (ours|theirs|yours|his|hers)": "our X, their X, your X",
    r"is said( of)?|be said of|stands? still": "is configured, is written; is stopped",
    r"[Ww]hat follows from": "what results from, derived from",
    r"that there (is|are)(?=[.,;:)])": "that exists; leave it out",
    r"there (is|are) none": "there is no X",
    r"surely|as it were|for ever": "certainly; leave it out; forever",
    r"takes? the place of|took the place of|(in|into) the place of": "replaces; instead of",
    r"stands(?! for\b)": "is, is kept, is written",
    r"(?<![Tt]here )(is|are) no (?!(longer|more|less|such|other|better|worse|larger|different)\b)"
    r"\w+": "is not a X",
    r"by (itself|themselves)": "on its own; automatically",
    r"(?<!target\.)wants(?!=)": "needs, requires, expects",
    r"[Ww]hoever|(to|by|for|of) who": "a client that…, users who…",
    r"to (its|their|an) end": "finishes, completes",
    r"comes? of (it|that|this)": "results",
    r"(is|are|was|were|be|been) cut off|begun where": "is interrupted",
    r"[Hh]eard of|[Kk]nows? nothing( of)?": "last active at; does not know",
    r"[Hh]alf done|[Rr]eady-made": "incomplete; prebuilt",
    r"Call (it|them)|Say (what|so|who|which|whether)": "Mark, Report, Show",
    r"Have (the|it|its|them)": "Create, Start, …: a verb for what happens",
    r"(lies|lay|lying) (on|in|at|below|beside|there|under)": "is in, is stored in",
    r"bears|shall": "has; should, must",
    r"belongs? into": "belongs in",
    r"of somebody else(?!')": "somebody else's; third-party",
    r"[Gg]ets? healthy|got healthy": "passes its health check",
    r"at the least|but for": "at least; except",
    r"none of (its|theirs|ours)": "not its own; not one of ours",
    r"sets? right|made again": "repairs; is created again, rebuilt",
    r"goes before": "takes precedence over",
}
WORDS = {re.compile(rf"\b(?:{phrase})\b"): instead for phrase, instead in PHRASES.items()}

# What the name of a task begins with; the standard verbs first.
VERBS = re.compile(
    "Install|Configure|Create|Write|Copy|Build|Pull|Start|Stop|Wait|Check|Switch|Reload|Remove|Prune"
    "|Show|Fail|Validate|Plan|Report|Set|Run"
    "|Add|Bootstrap|Download|Drain|Find|Gather|Load|Prepare|Query|Read|Record|Refresh|Release|Request"
    "|Restart|Restore|Rotate|Send|Unpack|Update"
)
TASKS = re.compile(r"roles/[^/]+/(tasks|handlers)/.*\.yml")
NAME = re.compile(r"^ *- name: [\"']?(?:[\w/]+ \| )?(\w+).*$", re.MULTILINE)

# Characters in a line; code of Python is ruff's.
LIMITS = {".md": 120, ".yml": 100, ".yaml": 100, ".j2": 100, ".sh": 100, "": 100}


def texts():
    """The name and the text of each file of the repository that is ours."""
    run = subprocess.run(
        [
            *("git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"),
            *("--cached", "--others", "--exclude-standard"),
        ],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in sorted(set(filter(None, run.stdout.decode().split("\0")))):
        file = ROOT / name
        if FOREIGN.match(name) or file.is_symlink() or not file.is_file():
            continue
        try:
            yield name, file.read_text()
        except UnicodeDecodeError:
            continue


def sentences(text):
    """The text on one line, with comments, literals of several lines and test names as prose."""
    text = re.sub(r"[\"']\s*\n\s*[rbf]*[\"']", "", text)
    text = re.sub(r"\btest_\w+", lambda name: name[0].replace("_", " "), text)
    return re.sub(r"\s*\n\s*(?:#+ )?\s*", " ", text)


def phrases(text):
    """Each phrase of a text that is outside the register, with what to write."""
    text = sentences(text)
    return [
        f"“{text[max(0, hit.start() - 30) : hit.end() + 20]}”: write {instead}"
        for phrase, instead in WORDS.items()
        for hit in phrase.finditer(text)
    ]


def task_names(name, text):
    """The names of tasks that do not begin with a verb of the list."""
    if not TASKS.fullmatch(name):
        return []
    return [
        f"{found[0].strip()!r} must begin with one of {VERBS.pattern}"
        for found in NAME.finditer(text)
        if not VERBS.fullmatch(found[1])
    ]


def prose(text):
    """Markdown without what cannot be broken: code blocks, tables, and the targets of links."""
    text = re.sub(r"^ *```.*?^ *```", _blank, text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(
        r"^<!-- (\w+: generated) -->.*?^<!-- /", _blank, text, flags=re.DOTALL | re.MULTILINE
    )
    text = re.sub(r"^\|.*", "", text, flags=re.MULTILINE)
    return re.sub(r"\]\([^)\s]+\)", "]", text)


def _blank(found):
    return "\n" * found[0].count("\n")


def long_lines(name, text):
    """The lines that are longer than their limit and could be broken."""
    suffix = Path(name).suffix
    if suffix not in LIMITS or (suffix == "" and not text.startswith("#!")):
        return []
    if text.startswith("<!-- Made by bin/docs"):
        return []
    lines = (prose(text) if suffix == ".md" else text).splitlines()
    return [
        f"line {number} has {len(line)} characters; the limit is {LIMITS[suffix]}"
        for number, line in enumerate(lines, 1)
        if len(line) > LIMITS[suffix] and " " in line.lstrip(" #-")
    ]


def found():
    """What is found in each file, by kind."""
    kinds = {"words": {}, "tasks": {}, "lines": {}}
    for name, text in texts():
        kinds["words"][name] = phrases(text)
        kinds["tasks"][name] = task_names(name, text)
        kinds["lines"][name] = long_lines(name, text)
    return {
        kind: {name: hits for name, hits in files.items() if hits} for kind, files in kinds.items()
    }


def unswept():
    return yaml.safe_load(UNSWEPT.read_text())


def main(arguments):
    everything = found()
    if arguments == ["--write"]:
        counts = {
            kind: {name: len(hits) for name, hits in files.items()}
            for kind, files in everything.items()
        }
        UNSWEPT.write_text(HEAD + yaml.safe_dump(counts, sort_keys=False, default_flow_style=False))
        return
    for files in everything.values():
        for name, hits in files.items():
            if not arguments or name in arguments:
                print("\n".join(f"{name}: {hit}" for hit in hits))


if __name__ == "__main__":
    main(sys.argv[1:])

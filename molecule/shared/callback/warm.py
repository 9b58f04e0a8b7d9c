# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""For tests only: do what hundreds of runs of the same tree have in common only once, or once in a
run instead of in each of its tasks.

Without it, each run builds the same payload of a module again. Each task is a separate process,
which loads our filters and everything that they import. The controller polls a thousand times a
second whether a task is done. Together, these take half of the processor time of a run on the
controller.
"""

from __future__ import annotations

DOCUMENTATION = """
name: warm
type: aggregate
short_description: Share what runs of the same tree have in common
description: For tests only.
"""

from hashlib import sha256
from pathlib import Path

from ansible import constants, release
from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import filter_loader, lookup_loader

ROOT = Path(__file__).resolve().parents[3]
PLUGINS = ROOT / "plugins"


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "warm"

    def __init__(self) -> None:
        super().__init__()
        constants.DEFAULT_INTERNAL_POLL_INTERVAL = 0.01
        self._share_payloads()
        self._load_plugins()

    def _share_payloads(self) -> None:
        """Use the payloads of earlier runs of the same tree; a changed file leads to new ones."""
        state = [release.__version__]
        for path in sorted(PLUGINS.rglob("*.py")):
            found = path.stat()
            state.append(f"{path} {found.st_mtime_ns} {found.st_size}")
        shared = ROOT / ".cache/payloads" / sha256("\n".join(state).encode()).hexdigest()[:16]
        shared.mkdir(parents=True, exist_ok=True)
        own = Path(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache")
        if not own.exists():
            own.symlink_to(shared, target_is_directory=True)

    def _load_plugins(self) -> None:
        """Load the filters and lookups before the processes that need them are forked."""
        for kind, loader in (("filter", filter_loader), ("lookup", lookup_loader)):
            for path in (PLUGINS / kind).glob("[a-z]*.py"):
                loader.get(f"flaskops.host.{path.stem}")

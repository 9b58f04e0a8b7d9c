# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps for several applications. A failed step does not prevent the others: errors are gathered
and reported at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..host.disk import no_room, with_advice
from ..host.files import HostError


class Attempts:
    """What failed, by application, and what is only a warning."""

    def __init__(self) -> None:
        self.failures: dict[str, str] = {}
        self.warnings: list[str] = []

    @contextmanager
    def of(self, name: str, what: str, warn: bool = False) -> Iterator[None]:
        """Try a step. When it fails, the next one is done all the same.

        Args:
            name: the application; empty for what all of them share.
            what: what could not be done, such as C(its record could not be saved).
            warn: the failure keeps no application from serving, and the next run tries again. A
            full disk is always of this kind.
        """
        try:
            yield
        except Exception as error:
            reason = (
                str(error)
                if isinstance(error, (HostError, OSError))
                else f"{type(error).__name__}: {error}"
            )
            text = with_advice(": ".join([name, what, reason] if name else [what, reason]))
            if warn or no_room(error):
                self.warnings.append(text)
            else:
                self.failures[name] = "\n".join(
                    [self.failures[name], text] if name in self.failures else [text]
                )

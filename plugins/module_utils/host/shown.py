# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Escape text of an application, an image, a build or a client for a terminal."""

from __future__ import annotations

# C0 except newline and tab, DEL and C1; characters that change the direction of a line or break it,
# or that nobody sees, so that two names look alike; surrogates, which bytes that are not UTF-8
# become as well.
_CONTROL = [*range(0x20), *range(0x7F, 0xA0)]
_DIRECTION = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_BREAKS = [0x2028, 0x2029]
_UNSEEN = [0xAD, 0x34F, 0x180E, 0x200B, *range(0x2060, 0x2065), 0xFEFF, *range(0xFFF9, 0xFFFC)]
_ESCAPED: dict[int, str] = {code: f"\\x{code:02x}" for code in _CONTROL}
_ESCAPED.update(
    {code: f"\\u{code:04x}" for code in [*_DIRECTION, *_BREAKS, *_UNSEEN, *range(0xD800, 0xE000)]}
)
_IN_LINES = {code: text for code, text in _ESCAPED.items() if chr(code) not in "\n\t"}


def shown(text: object) -> str:
    """A text with its control characters escaped, such as \\x1b, except newlines and tabs."""
    return str(text).replace("\r\n", "\n").translate(_IN_LINES)


def shown_line(text: object) -> str:
    """The same for one line: a cell of a table, a name."""
    return str(text).translate(_ESCAPED)


def brief(text: object) -> str:
    """What is kept of the reason of a failure, which may have a name, or the output, of an
    application: escaped and bounded.
    """
    return cut(shown(text))


def cut(text: str, most: int = 4000) -> str:
    """The beginning of a text, and how much was left out."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most} more)"


def decoded(content: bytes) -> str:
    """Bytes of an application, escaped; bytes that are not UTF-8 too."""
    return shown(content.decode(errors="backslashreplace"))

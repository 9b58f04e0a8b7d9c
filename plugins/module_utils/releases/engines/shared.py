# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that application servers have in common; each has its own word for a process."""

from __future__ import annotations

from ...inputs.options import Option

PROCESSES = Option(
    default="auto",
    pattern=r"auto|[1-9]\d{0,2}",
    allowed="auto (from the CPU limit) or a number from 1 to 999",
    about="""
        How many processes answer requests. V(auto) takes one for each processor that the container
        may use, at least two.

        Each takes memory of its application; write fewer for a large one.
    """,
)


def threads(process: str) -> Option:
    return Option(
        kind="int",
        default=4,
        minimum=1,
        allowed="a number of threads",
        about=f"""
            Threads in each {process}, one per request. Not used with O(websocket=true).
        """,
    )


def greenlets(process: str) -> Option:
    return Option(
        kind="int",
        default=100,
        minimum=1,
        allowed=f"a number of greenlets in each {process}",
        about=f"""
            Greenlets in each {process}; as many requests and open websockets at once. Only used
            with O(websocket=true).
        """,
    )


def max_requests(process: str) -> Option:
    return Option(
        kind="int",
        default=0,
        minimum=0,
        allowed="a number of requests, 0 for no limit",
        about=f"""
            After how many requests a {process} is replaced, against memory that is not given back;
            0 for never.
        """,
    )

# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Debian packages are missing, according to messages of compilers, installers and Python."""

from __future__ import annotations

import re

from ..host.reason import without_step

# What the log of a build says, and the packages that have it. The first column is a regular
# expression for one line.
BUILD: tuple[tuple[str, str], ...] = (
    (
        (
            r"pg_config executable not found|pg_config is required|libpq-fe\.h|No such file or"
            r" directory: '?pg_config"
        ),
        "libpq-dev",
    ),
    (
        r"mysql_config|mysql\.h|Can not find valid pkg-config name|mysqlclient.*pkg-config",
        "default-libmysqlclient-dev pkg-config",
    ),
    (r"mariadb_config", "libmariadb-dev"),
    (r"\b(lber|ldap)\.h", "libldap-dev libsasl2-dev"),
    (r"sasl/sasl\.h|\bsasl\.h", "libsasl2-dev"),
    (
        (
            r"libxml/\w+\.h|xml2-config|xslt-config|libxml2 and libxslt development"
            r" packages|libxslt/\w+\.h"
        ),
        "libxml2-dev libxslt1-dev",
    ),
    (r"xmlsec\b.*not found|xmlsec1\b|xmlsec/\w+\.h", "libxmlsec1-dev libxml2-dev pkg-config"),
    (r"\bffi\.h|Package libffi was not found|libffi.* not found", "libffi-dev"),
    (
        r"could not be found for jpeg|RequiredDependencyException: jpeg|jpeglib\.h",
        "libjpeg-dev zlib1g-dev",
    ),
    (r"could not be found for zlib|RequiredDependencyException: zlib|\bzlib\.h", "zlib1g-dev"),
    (
        r"Dependency \"?'?cairo\b|Package '?cairo'?\b.* not found|\bcairo\.h",
        "libcairo2-dev pkg-config",
    ),
    (r"girepository-|gobject-introspection", "libgirepository-2.0-dev libcairo2-dev pkg-config"),
    (r"dbus-1\b.* not found|Dependency \"?dbus-1", "libdbus-1-dev libglib2.0-dev pkg-config"),
    (r"gdal-config|\bgdal\.h|gdal_priv\.h", "libgdal-dev"),
    (r"geos-config|geos_c\.h", "libgeos-dev"),
    (r"proj executable not found|\bproj\.h", "libproj-dev proj-bin"),
    (r"openssl/\w+\.h", "libssl-dev"),
    (r"\bsql\.h|sqlext\.h", "unixodbc-dev"),
    (r"krb5-config|gssapi/\w+\.h", "libkrb5-dev"),
    (r"curl-config|curl/curl\.h", "libcurl4-openssl-dev libssl-dev"),
    (r"\bsnappy(-c)?\.h", "libsnappy-dev"),
    (r"\bsodium\.h", "libsodium-dev"),
    (r"\bgmp\.h", "libgmp-dev"),
    (r"\bmpfr\.h", "libmpfr-dev"),
    (r"\bhdf5\.h|libhdf5\.so|Unable to load dependency HDF5", "libhdf5-dev"),
    (r"\bnetcdf\.h|nc-config", "libnetcdf-dev"),
    (r"\bzmq\.h", "libzmq3-dev"),
    (r"portaudio\.h", "portaudio19-dev"),
    (r"alsa/asoundlib\.h", "libasound2-dev"),
    (
        r"libavformat\b|libavcodec/\w+\.h",
        "libavformat-dev libavdevice-dev libavfilter-dev pkg-config",
    ),
    (r"\bpcap\.h", "libpcap-dev"),
    (r"systemd/sd-\w+\.h|Package libsystemd\b", "libsystemd-dev pkg-config"),
    (r"libvirt\b.* not found|libvirt/\w+\.h", "libvirt-dev pkg-config"),
    (r"\brrd\.h", "librrd-dev"),
    (r"graphviz/cgraph\.h", "libgraphviz-dev"),
    (r"\bbzlib\.h", "libbz2-dev"),
    (r"\blzma\.h", "liblzma-dev"),
    (r"\bsqlite3\.h", "libsqlite3-dev"),
    (r"uuid/uuid\.h", "uuid-dev"),
    (r"\byaml\.h", "libyaml-dev"),
    (r"\bmagic\.h", "libmagic-dev"),
    (r"leveldb/\w+\.h", "libleveldb-dev"),
    (r"rocksdb/\w+\.h", "librocksdb-dev"),
    (r"\btesseract\b.* not found|tesseract/\w+\.h", "libtesseract-dev pkg-config"),
    (
        (
            r"[Cc]an't find Rust compiler|rustc: not found|\bcargo\b.*not found|Cargo, the Rust"
            r" package manager, is not installed"
        ),
        "cargo",
    ),
    (
        (
            r"CMake must be installed|cmake: not found|CMake is not installed|No such file or"
            r" directory: '?cmake"
        ),
        "cmake make",
    ),
    (r"\bswig(?:\.exe)?\b.*(?:not found|No such file)|error: command 'swig'", "swig"),
    (
        r"gfortran.*not found|Unknown compiler\(s\): \[\['gfortran'|No Fortran compiler",
        "gfortran libopenblas-dev",
    ),
    (
        (
            r"pkg-config(?:: not found| is required| not found)|Did not find pkg-config|No such"
            r" file or directory: '?pkg-config"
        ),
        "pkg-config",
    ),
    (r"make: not found|No such file or directory: '?make\b", "make"),
    (r"Cannot find command 'git'|git: not found|No such file or directory: '?git\b", "git"),
    (r"msgfmt: not found", "gettext"),
    (r"(?:npm|npx): not found", "npm"),
    (r"\bnode: not found", "nodejs"),
    (r"yarn: not found", "yarnpkg"),
    (r"(?:curl|wget): not found", "curl"),
)
# Messages of an application that cannot load a library. These packages contain only the library.
RUN: tuple[tuple[str, str], ...] = (
    (r"libpq\.so", "libpq5"),
    (r"libmariadb\.so|libmysqlclient\.so", "libmariadb3"),
    (r"libGL\.so", "libgl1"),
    (r"libgthread-2\.0|libglib-2\.0", "libglib2.0-0"),
    (r"failed to find libmagic", "libmagic1"),
    (r"no library called \"?'?(?:lib)?cairo|libcairo\.so", "libcairo2"),
    (
        r"libpango|libgobject-2\.0-0|cannot load library 'gobject",
        "libpango-1.0-0 libpangoft2-1.0-0",
    ),
    (r"libldap", "libldap2"),
    (r"libxmlsec1", "libxmlsec1-openssl"),
    (r"libgdal", "libgdal36"),
    (r"libgeos_c", "libgeos-c1v5"),
    (r"libodbc\.so", "unixodbc"),
    (r"libgomp\.so", "libgomp1"),
    (r"libffi\.so", "libffi8"),
    (r"libzbar|zbar shared library", "libzbar0"),
    (r"libsndfile", "libsndfile1"),
    (r"The 'enchant' C library|libenchant", "libenchant-2-2"),
    (r"tesseract is not installed", "tesseract-ocr"),
    (r"No wkhtmltopdf executable", "wkhtmltopdf"),
    (r"ExecutableNotFound.*Graphviz|failed to execute .*dot", "graphviz"),
    (r"No such file or directory: 'ffmpeg'", "ffmpeg"),
)
_LOADS = re.compile(r"cannot open shared object file|OSError|ImportError|NotFound|Error")
_HEADER = re.compile(r"fatal error: ([\w./+-]+\.h(?:pp)?): No such file")


def missing(log: str, table: tuple[tuple[str, str], ...] = BUILD) -> tuple[list[str], str]:
    """The packages that a log asks for, and the first line that does."""
    packages: dict[str, None] = {}
    first = ""
    for line in map(str.strip, log.splitlines()):
        # Skip commands that BuildKit shows: they are not messages.
        if " RUN " in line[:40] or (table is RUN and not _LOADS.search(line)):
            continue
        for pattern, names in table:
            if re.search(pattern, line):
                packages.update(dict.fromkeys(names.split()))
                first = first or line
                break
    return list(packages), without_step(first)


def of_build(log: str) -> str:
    """What to write so that a build has the libraries that it misses; "" when it misses none that
    is known.
    """
    packages, line = missing(log)
    if packages:
        return (
            f"{line[:300]}\nA package of the system is missing: write apt_packages:"
            f" [{', '.join(packages)}]."
        )
    if header := _HEADER.search(log):
        return (
            f"{header[0]}\nA package of the system is missing: write apt_packages with the Debian"
            f" package that has {header[1]}; https://packages.debian.org/file:{header[1]} tells its"
            " name."
        )
    return ""


def of_start(log: str) -> list[str]:
    """The same for an application that does not start."""
    packages, line = missing(log, RUN)
    return (
        [
            f"A library of the system is missing ({line[:200]}): write apt_packages:"
            f" [{', '.join(packages)}]."
        ]
        if packages
        else []
    )

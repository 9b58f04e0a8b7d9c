# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The system packages that a log points to."""

import re

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.host.files import HostError
from ansible_collections.flaskops.host.plugins.module_utils.images import build, libraries

NOISE = (
    "#12 [requirements 3/4] RUN gently flaskops-install     -r requirements.txt\n#12 1.234"
    " Collecting flask\n"
)


@pytest.mark.parametrize(
    ("line", "packages"),
    [
        ("      Error: pg_config executable not found.", "libpq-dev"),
        (
            "./psycopg/psycopg.h:36:10: fatal error: libpq-fe.h: No such file or directory",
            "libpq-dev",
        ),
        ("/bin/sh: 1: mysql_config: not found", "default-libmysqlclient-dev, pkg-config"),
        (
            "Exception: Can not find valid pkg-config name.",
            "default-libmysqlclient-dev, pkg-config",
        ),
        (
            "Modules/common.h:15:10: fatal error: lber.h: No such file or directory",
            "libldap-dev, libsasl2-dev",
        ),
        (
            "sasl/saslwrapper.h:22:10: fatal error: sasl/sasl.h: No such file or directory",
            "libsasl2-dev",
        ),
        (
            "Error: Please make sure the libxml2 and libxslt development packages are installed.",
            "libxml2-dev, libxslt1-dev",
        ),
        (
            "src/lxml/etree.c:289:10: fatal error: libxml/xmlversion.h: No such file or directory",
            "libxml2-dev, libxslt1-dev",
        ),
        ("c/_cffi_backend.c:15:10: fatal error: ffi.h: No such file or directory", "libffi-dev"),
        ("The headers or library files could not be found for jpeg,", "libjpeg-dev, zlib1g-dev"),
        ("__main__.RequiredDependencyException: zlib", "zlib1g-dev"),
        (
            (
                '../cairo/meson.build:31:12: ERROR: Dependency "cairo" not found, tried pkgconfig'
                " and cmake"
            ),
            "libcairo2-dev, pkg-config",
        ),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'gdal-config'", "libgdal-dev"),
        ("OSError: geos-config not found", "libgeos-dev"),
        ("proj executable not found. Please set the PROJ_DIR variable.", "libproj-dev, proj-bin"),
        ("src/pyodbc.h:56:10: fatal error: sql.h: No such file or directory", "unixodbc-dev"),
        ("/bin/sh: 1: krb5-config: not found", "libkrb5-dev"),
        (
            "__main__.ConfigurationError: Could not run curl-config: [Errno 2]",
            "libcurl4-openssl-dev, libssl-dev",
        ),
        (
            "      xmlsec1 is not installed or not in path.",
            "libxmlsec1-dev, libxml2-dev, pkg-config",
        ),
        ("    error: can't find Rust compiler", "cargo"),
        ("CMake must be installed to build the following extensions: dlib", "cmake, make"),
        ("error: command 'swig' failed: No such file or directory", "swig"),
        ("ERROR: Cannot find command 'git' - do you have 'git' installed and in your PATH?", "git"),
        ("src/pymssql/_mssql.c: portaudio.h: No such file or directory", "portaudio19-dev"),
        (
            "systemd/_reader.c:12: fatal error: systemd/sd-journal.h: No such file",
            "libsystemd-dev, pkg-config",
        ),
        ("fatal error: uuid/uuid.h: No such file or directory", "uuid-dev"),
        ("/bin/sh: 1: npm: not found", "npm"),
        ("/bin/sh: 1: msgfmt: not found", "gettext"),
    ],
)
def test_a_build_that_misses_a_library_names_its_package(line, packages):
    message = libraries.of_build(
        f"{NOISE}#12 5.678 {line}\n#12 ERROR: process did not complete successfully: exit code: 1\n"
    )
    assert message.endswith(f"write apt_packages: [{packages}].") and line.strip() in message
    assert len(message.splitlines()) <= 10


@pytest.mark.parametrize(
    "line",
    ["ModuleNotFoundError: No module named 'flask'",
     "ERROR: No matching distribution found for nosuch==1", "Collecting lxml",
     "Building wheel for ldap3", "Collecting pygit2", "Successfully installed cairosvg"],
)  # fmt: skip
def test_other_failures_name_no_package(line):
    assert libraries.of_build(f"{NOISE}#12 5.678 {line}\n") == ""


def test_an_unknown_header_is_reported_with_where_to_look():
    message = libraries.of_build(
        "#9 2.0 x.c:1:10: fatal error: odd/thing.h: No such file or directory\n"
    )
    assert "write apt_packages with the Debian package that has odd/thing.h" in message


def test_several_packages_are_named_together():
    log = (
        "#9 1.0 Error: pg_config executable not found.\n#9 1.1 fatal error: ffi.h: No such file\n#9"
        " 1.2 pg_config is required\n"
    )
    assert libraries.of_build(log).endswith("write apt_packages: [libpq-dev, libffi-dev].")


@pytest.mark.parametrize(
    ("line", "packages"),
    [
        (
            "ImportError: libpq.so.5: cannot open shared object file: No such file or directory",
            "libpq5",
        ),
        ("ImportError: failed to find libmagic.  Check your installation", "libmagic1"),
        (
            "ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
            "libgl1",
        ),
        ('OSError: no library called "cairo-2" was found', "libcairo2"),
        (
            "OSError: cannot load library 'libgobject-2.0-0': cannot open shared object",
            "libpango-1.0-0, libpangoft2-1.0-0",
        ),
    ],
)
def test_an_application_that_misses_a_library_names_its_package(line, packages):
    (message,) = libraries.of_start(f"Traceback (most recent call last):\n{line}\n")
    assert message.endswith(f"write apt_packages: [{packages}].")
    assert libraries.of_start("listening; libpq is fine\n") == []


def test_every_row_of_the_table_is_a_debian_package():
    for pattern, packages in (*libraries.BUILD, *libraries.RUN):
        re.compile(pattern)
        assert all(re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", name) for name in packages.split())


class Builder:
    """An engine whose build prints a log."""

    def __init__(self, log, fails):
        self.log, self.fails = log, fails

    def run(self, *_words, **_options):
        if self.fails:
            raise HostError(f"docker build: {self.log}")
        return self.log


def test_the_message_of_a_failed_build_ends_with_what_to_write():
    log = (
        "\n".join(f"#9 {number}.0 noise {number}" for number in range(300))
        + "\n#9 9.9 Error: pg_config executable not found.\n"
    )
    log += "\n".join(f"#9 {number}.0 more {number}" for number in range(100))
    with pytest.raises(HostError) as error:
        build.build(Builder(log, True), "/x", "shop:1", [])
    reason = str(error.value).partition("The last lines of its log:")[0]
    assert "write apt_packages: [libpq-dev]." in reason and len(reason.splitlines()) <= 10


def test_a_build_passes_on_only_warnings_of_the_collection():
    log = (
        '#8 [project 3/3] RUN echo "flaskops warning: no"\n#8 0.412 flaskops warning: it is so\n#8'
        " 0.5 warning: x\n"
    )
    log += "#9 0.4 flaskops warning: it is so\n"
    assert build.build(Builder(log, False), "/x", "shop:1", []) == ["it is so"]

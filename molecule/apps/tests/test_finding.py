# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""Where an application may be, how its requirements may be written, and what may be built of it."""


def test_a_package_in_src_is_imported_and_has_its_metadata(whoami):
    seen = whoami("src-layout")
    assert (seen["metadata"], seen["version"]) == ("0.0.0", "0.0.0")
    assert seen["command"] == "the command of the warehouse"


def test_a_build_step_has_neither_root_nor_secrets_and_leaves_nothing_of_node(whoami):
    seen = whoami("src-layout")
    assert seen["built"] == ["10001", "flask", "False"]
    assert seen["node"] == [None, None]


def test_code_in_app_is_started_with_the_command_of_its_procfile(whoami):
    seen = whoami("procfile")
    assert (seen["directory"], seen["from_conf"]) == ("/app/app", "yes")


def test_an_old_package_finds_pkg_resources(whoami):
    assert whoami("procfile")["figlet"] == "0.8.post1"


def test_poetry_lock_is_read_and_poetry_is_not_in_the_image(whoami):
    seen = whoami("poetry")
    assert (seen["itsdangerous"], seen["poetry"]) == ("2.1.2", False)


def test_the_build_tools_are_not_in_the_image(host):
    for name, places in (
        ("src-layout", ["app", "project", "runtime"]),
        ("poetry", ["app", "runtime"]),
    ):
        image = host.check_output(
            "docker image ls --format '{{.Repository}}:{{.Tag}}' flaskops/%s", name
        ).split()[0]
        assert host.check_output("docker run --rm --entrypoint ls %s /opt", image).split() == places
        assert not set(
            host.check_output("docker run --rm --entrypoint ls %s /app", image).split()
        ) & {"build", "dist", "node_modules"}

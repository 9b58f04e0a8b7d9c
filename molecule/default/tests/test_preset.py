"""The application of a preset, on the host that builds its runtime image."""

testinfra_hosts = ["ansible://trixie"]


def test_the_application_of_a_preset_answers(http):
    assert http("/preset/").status == 200


def test_its_image_is_built_on_the_runtime_image_of_the_presets(host):
    tags = host.check_output("docker image ls --format '{{.Tag}}' flaskops/runtime").split()
    assert any(tag.endswith("-compat") for tag in tags), tags

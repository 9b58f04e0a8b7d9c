"""Where an application may come from, and what may run beside it."""

import time

from conftest import VARIABLES


def test_a_dockerfile_on_our_runtime_has_our_application_server(whoami):
    seen = whoami("own-runtime")
    assert seen["built_by"] == "a Dockerfile of its own"


def test_an_applications_own_server_has_no_port_on_the_host(host):
    assert ":8000" not in host.check_output("ss --no-header --listening --tcp --numeric")


def test_an_image_is_pulled_from_a_registry_that_asks_for_a_login(whoami):
    assert whoami("from-registry")["version"] == "pushed"


def test_no_login_is_left_on_the_host(host):
    """Neither in Docker's configuration nor in any other place where it could have been written."""
    assert host.run("grep auth /root/.docker/config.json").stdout == ""
    found = host.run(
        "grep --recursive --files-with-matches --fixed-strings %s /etc /home /root /run /tmp"
        " /var/lib/flaskops /var/log",
        VARIABLES["registry_password"],
    )
    assert found.stdout.split() == []


def test_an_image_is_loaded_from_an_archive(whoami):
    assert whoami("from-archive")["version"] == "saved"


def test_an_applications_own_server_is_started_by_a_process_that_relays_and_reaps(whoami):
    assert any("relay" in word for word in whoami("from-registry")["process_1"])


def test_the_worker_returns_the_result_of_a_job(get, whoami):
    """Over Redis, from a container of the same release."""
    number = get(
        "/celery/jobs",
        method="POST",
        body="text=loud",
        Content_Type="application/x-www-form-urlencoded",
    ).json["id"]
    deadline = time.monotonic() + 20
    while (job := get(f"/celery/jobs/{number}").json)[
        "state"
    ] != "SUCCESS" and time.monotonic() < deadline:
        time.sleep(0.2)
    assert job["result"]["text"] == "LOUD", job
    assert job["result"]["release"] == whoami("celery")["release"]


def test_the_worker_has_its_own_container(host):
    names = host.check_output("docker ps --format '{{.Names}}' --filter name=^celery-").split()
    assert len(names) == 2 and any("worker" in name for name in names), names


def test_the_versions_of_uv_lock_are_installed(whoami):
    assert whoami("uv")["flask"] == "3.1.2"


def test_requirements_may_include_others_and_obey_constraints(whoami):
    assert whoami("includes")["click"] == "8.1.8"


def test_a_package_of_debian_is_installed(whoami):
    assert whoami("apt")["libyaml"].startswith("0.2")


# Uploads a file of so many mebibytes as a browser does, and prints whether it arrived whole.
UPLOAD = """
import hashlib, http.client, sys
block, blocks = bytes(range(256)) * 4096, int(sys.argv[2])
head = b'--cut\\r\\nContent-Disposition: form-data; name="file"; filename="large"\\r\\n\\r\\n'
tail = b"\\r\\n--cut--\\r\\n"
connection = http.client.HTTPConnection("127.0.0.1", 80, timeout=60)
length = str(len(head) + len(block) * blocks + len(tail))
form = "multipart/form-data; boundary=cut"
headers = {"Host": "localhost", "Content-Type": form, "Content-Length": length}
connection.request("POST", sys.argv[1], iter([head, *[block] * blocks, tail]), headers)
answer = connection.getresponse()
expected = hashlib.sha256(block * blocks).hexdigest()
print(answer.status, answer.read().decode() == expected)
"""


def test_a_file_that_is_larger_than_the_memory_of_the_application_arrives_whole(host):
    assert host.check_output("python3 -c %s /writes/upload 150", UPLOAD) == "200 True"


def test_a_directory_that_is_listed_as_writable_is_writable(whoami):
    assert whoami("writes")["starts"] == 1

"""Services stay as they are while releases come and go."""

import os

HOST = f"{os.environ.get('FLASKOPS_TEST_PREFIX', 'flaskops')}-operate"
testinfra_hosts = [f"ansible://{HOST}"]


def test_they_outlive_a_release(order, entries, containers, redeploy):
    def started():
        found = containers("shop-service-")
        return {each["Name"]: each["State"]["StartedAt"] for each in found}

    number, before = order("kept"), started()
    assert len(before) == 2
    redeploy(env={"TEXT": "again"}).ok()
    assert started() == before
    assert number in [each["number"] for each in entries("visitor")]

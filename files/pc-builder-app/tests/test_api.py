"""The addresses for programs: health, whoami, components, a build."""

from __future__ import annotations

from app import create_app
from conftest import PREFIX


def test_health_is_ok(client, prefix):
    answer = client.get(prefix + "/health")
    assert answer.status_code == 200
    assert answer.json["status"] == "ok"


def test_whoami_shows_the_request_as_the_app_sees_it(client, prefix):
    answer = client.get(
        prefix + "/api/whoami",
        base_url="https://shop.example.org:8443",
        environ_overrides={"REMOTE_ADDR": "192.0.2.7"},
    )
    seen = answer.json
    assert seen["remote_addr"] == "192.0.2.7"
    assert seen["scheme"] == "https"
    assert seen["host"] == "shop.example.org:8443"
    assert seen["url_root"] == "https://shop.example.org:8443/"
    assert seen["script_root"] == ""
    assert seen["path"] == prefix + "/api/whoami"
    assert seen["app_domain"] == prefix


def test_whoami_does_not_trust_forwarded_headers(client, prefix):
    """The server in front of the app decides who the client is, not the headers of a client."""
    seen = client.get(
        prefix + "/api/whoami",
        headers={"X-Forwarded-For": "203.0.113.1", "X-Forwarded-Proto": "https"},
    )
    assert seen.json["remote_addr"] == "127.0.0.1"
    assert seen.json["scheme"] == "http"


def test_whoami_shows_a_script_root():
    seen = create_app({}).test_client().get("/api/whoami", base_url="http://localhost/shop").json
    assert (seen["script_root"], seen["path"]) == ("/shop", "/api/whoami")


def test_the_release_is_shown_if_it_is_known():
    app = create_app({"ENV": "PROD", "DOMAIN": PREFIX, "FLASKOPS_RELEASE": "0123456789ab"})
    assert app.test_client().get(PREFIX + "/health").json["release"] == "0123456789ab"
    assert "<dd>0123456789ab</dd>" in app.test_client().get(PREFIX + "/").text
    assert "Release" not in create_app({}).test_client().get("/").text


def test_components_have_live_prices(client, prefix):
    answer = client.get(prefix + "/api/components").json
    assert len(answer["components"]) == 58
    assert {"id", "category", "name", "price", "stock", "watts"} <= answer["components"][0].keys()


def test_a_build_is_checked(client, prefix):
    answer = client.get(
        prefix + "/api/build?cpu=cpu-kestrel-5&motherboard=board-quarry-pro&psu=nonsense"
    ).json
    assert answer["watts"] == 105
    assert answer["hints"][0] == {
        "level": "problem",
        "text": "Kestrel 5 needs socket AM5; Quarry Pro has LGA1700.",
    }
    assert "Memory" in answer["missing"]
    assert answer["unknown"] == [
        "There is no power supply called “nonsense”; choose one from the builder."
    ]

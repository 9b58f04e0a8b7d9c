"""Applications with the layouts that the images and tutorials of the presets document; each runs
unchanged.
"""

import re

import pytest

# tiangolo/uwsgi-nginx-flask


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("/uwsgi-simple/static/note.txt", "served by Nginx\n"),
        ("/presets/uwsgi-package/static/note.txt", "from the package's own directory\n"),
        ("/uwsgi-directory/static/note.txt", "from /application/static\n"),
        ("/uwsgi-settings/content/note.txt", "from /app/custom at /content\n"),
    ],
)
def test_static_files_come_from_nginx_where_the_image_has_them(get, url, text):
    """In /app/static, in STATIC_PATH, and at STATIC_URL."""
    answer = get(url)
    assert (answer.status, answer.body) == (200, text)
    assert "content-disposition" not in answer.headers, "Flask sets this header"


def test_a_package_imports_from_its_siblings(get):
    assert get("/presets/uwsgi-package/api/users").json == [{"name": "Ada"}, {"name": "Grace"}]


def test_an_application_runs_in_its_own_directory(whoami):
    assert whoami("uwsgi-directory")["directory"] == "/application"


def test_the_options_of_an_applications_own_ini_are_kept(whoami):
    assert whoami("uwsgi-directory")["harakiri"] == "41"


@pytest.mark.parametrize("app", ["uwsgi-spa", "uwsgi-static-index"])
def test_the_first_page_of_a_single_page_application_is_its_index(get, app):
    answer = get(f"/{app}/")
    assert "<title>The single page</title>" in answer.body


def test_a_route_that_only_the_browser_knows_shows_the_index(get):
    answer = get("/uwsgi-spa/basket/2", Accept="text/html,*/*;q=0.8")
    assert answer.status == 200
    assert "<title>The single page</title>" in answer.body


def test_an_answer_of_the_application_is_not_the_index(get):
    assert get("/uwsgi-spa/api/items", Accept="text/html").json == {"items": ["one", "two"]}


def test_a_missing_address_stays_missing_for_a_program(get):
    assert get("/uwsgi-spa/api/nothing", Accept="application/json").status == 404


def test_without_the_fallback_an_unknown_route_is_missing(get):
    assert get("/uwsgi-static-index/basket/2", Accept="text/html").status == 404


def test_a_file_with_a_hash_in_its_name_may_be_cached_forever(get):
    answer = get("/uwsgi-spa/static/page.3f2a9c41.js")
    assert "immutable" in answer.headers["cache-control"]


def test_a_variable_that_prestart_exports_persists(whoami):
    assert whoami("uwsgi-settings")["prestart"] == "set by prestart.sh in /app"


def test_the_number_of_processes_follows_the_environment_of_the_image(whoami):
    assert whoami("uwsgi-settings")["workers"] == {"most": 3, "cheaper": 2}


@pytest.mark.parametrize(("size", "status"), [(900_000, 200), (1_100_000, 413)])
def test_an_upload_may_be_as_large_as_nginx_max_upload(host, size, status):
    program = (
        "import http.client, sys; c = http.client.HTTPConnection('127.0.0.1', 80, timeout=30);"
        " c.request('POST', '/uwsgi-settings/upload', b'u' * int(sys.argv[1]), {'Host':"
        " 'localhost'}); print(c.getresponse().status)"
    )
    assert host.check_output("python3 -c %s %s", program, str(size)) == str(status)


def test_a_whole_nginx_conf_is_not_used(get):
    assert "x-own-nginx" not in get("/uwsgi-nginx-conf/").headers


def test_an_applications_own_fragment_replaces_it(get):
    assert get("/uwsgi-fragment/").headers["x-own-nginx"] == "yes"
    assert get("/uwsgi-fragment/teapot").status == 418


def test_the_container_logs_which_module_it_chose(log):
    assert re.search(r"^flaskops: .*main", log("uwsgi-simple"), re.MULTILINE), log("uwsgi-simple")


# tiangolo/meinheld-gunicorn-flask


@pytest.mark.parametrize(
    ("app", "configuration", "workers"),
    [
        ("gunicorn-package", "/app/app/gunicorn_conf.py", 1),
        ("gunicorn-module", "/app/gunicorn_conf.py", 2),
        ("gunicorn-names", "/app/custom_gunicorn_conf.py", 3),
        ("gunicorn-app-module", None, 3),
    ],
)
def test_gunicorns_configuration_is_found_where_the_image_looks(
    whoami, app, configuration, workers
):
    """GUNICORN_CONF, else /app/gunicorn_conf.py, else /app/app/gunicorn_conf.py; without one,
    WORKERS_PER_CORE counts.
    """
    seen = whoami(app)
    assert (seen["configuration"], seen["workers"]) == (configuration, workers)


def test_the_module_is_found_under_each_of_its_names(get):
    """/app/app/main.py, /app/main.py, MODULE_NAME with VARIABLE_NAME, APP_MODULE."""
    paths = (
        "/presets/gunicorn-package/",
        "/gunicorn-module/",
        "/gunicorn-names/",
        "/gunicorn-app-module/",
    )
    assert [get(path).body for path in paths] == ["package\n", "module\n", "custom\n", "custom\n"]


def test_prestart_may_run_a_program_of_the_application(whoami):
    assert whoami("gunicorn-module")["prestart"] == "prepared"


def test_a_worker_of_meinheld_is_replaced_and_the_log_says_so(log):
    output = log("gunicorn-package")
    assert re.search(r"meinheld.*gthread", output), output


# hellt/nginx-uwsgi-flask-alpine-docker


def test_the_alpine_images_processes_are_one_more_than_there_are_processors(host, whoami):
    assert whoami("alpine")["workers"] == int(host.check_output("nproc")) + 1


# The compose project


def test_the_compose_projects_ini_sets_its_processes(whoami):
    assert whoami("compose")["workers"] == 2


def test_a_misspelt_option_of_an_applications_own_ini_is_reported(log):
    assert re.search(r"^flaskops: .*vacum", log("compose"), re.MULTILINE), log("compose")


# The blog about subpaths


def test_the_blogs_pages_link_below_the_path(get):
    page = get("/subpath-blog/").body
    assert 'href="../subpath-blog/static/css/main.css"' in page
    assert 'href="/subpath-blog/main"' in page
    assert 'var appDomain = "/subpath-blog";' in get("/subpath-blog/main").body


@pytest.mark.parametrize("file", ["css/main.css", "js/main.js"])
def test_the_blogs_static_files_are_found(get, file):
    assert get(f"/subpath-blog/static/{file}").status == 200


def test_the_redirect_of_the_blog_stays_below_the_path(get):
    assert get("/subpath-blog/order").headers["location"] == "/subpath-blog/main"

testinfra_hosts = ["ansible://bare"]


def test_the_app_answers(http):
    assert http("/shop/").body == "Welcome to the shop.\n"


def test_its_static_file_answers(http):
    assert http("/shop/static/terms.txt").body == "Prices without guarantee.\n"


def test_docker_and_nginx_were_installed(host):
    assert host.service("docker").is_running
    assert host.service("nginx").is_running

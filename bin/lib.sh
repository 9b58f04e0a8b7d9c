# shellcheck shell=bash
# Shared by the commands for users: .venv with the pinned Ansible. Sourced at the root of the clone.

say() { printf '==> %s\n' "$*" >&2; }
# Show the help of a command that has no .venv yet; with it, Ansible and Python show more.
show_help() {
    local script=$1 argument
    shift
    if [ -f .venv/deploy.stamp ]; then return; fi
    for argument in "$@"; do
        case $argument in
            -h | --help)
                sed -n '2,/^[^#]/s/^# \?//p' "bin/${script##*/}"
                exit 0
                ;;
        esac
    done
}
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# Ansible 12 needs Python 3.11; an older distribution may have a newer one as well.
find_python() {
    local python
    for python in python3 python3.14 python3.13 python3.12 python3.11; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$python"
            return
        fi
    done
}

install_packages() {
    say "installing $*"
    # A broken third-party source is not fatal; the installation shows whether it was needed.
    as_root apt-get -qq update || true
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq install --yes --no-install-recommends "$@" >/dev/null
}

make_venv() {
    local python version wanted
    python=$(find_python)
    if [ -z "$python" ]; then
        install_packages python3.11 python3.11-venv
        python=$(find_python)
    fi
    wanted="$python $("$python" --version) $(sha256sum requirements.txt)"
    if [ -f .venv/deploy.stamp ] && [ "$(cat .venv/deploy.stamp)" = "$wanted" ]; then return; fi
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        install_packages "python$version-venv"
    fi
    say "creating .venv with $("$python" --version), and installing the pinned Ansible"
    say "(one or two minutes and 0.7 GB, once)"
    [ -x .venv/bin/pip ] || "$python" -m venv .venv
    .venv/bin/pip install --quiet --disable-pip-version-check \
        --require-hashes --requirement requirements.txt
    printf '%s\n' "$wanted" >.venv/deploy.stamp
}

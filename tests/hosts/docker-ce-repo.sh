#!/usr/bin/env bash
# Creates a small APT repository with the layout of Docker's own (suite noble, component stable,
# signed). It holds Debian's packages, repacked under Docker's names with Docker's version style and
# Conflicts. With it, the role docker can install "Docker CE from Docker's repository" where
# download.docker.com is out of reach.
# It runs inside a trixie test host (tests/hosts/prepare) and writes the repository to standard
# output as a tar archive.
set -euo pipefail
exec 3>&1 1>&2
codename=noble
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends apt-utils gpg gpg-agent >/dev/null
mkdir -p /build && cd /build && chmod 777 .
apt-get download -qq docker.io docker-cli containerd runc docker-buildx docker-compose
out=/build/out/linux/ubuntu
pool=$out/dists/$codename/pool/stable/amd64
mkdir -p "$pool"

upstream_version() { dpkg-deb -f "$1"_*.deb Version | sed -E 's/^[0-9]+://; s/[+~-].*//'; }

# The dependencies of Debian's package, without those that this repository has under another name.
outside_depends() {
    dpkg-deb -f "$1"_*.deb Depends | tr ',' '\n' | sed 's/^ *//' |
        grep -vE '^(docker\.io|docker-cli|containerd|runc|docker-buildx|docker-compose|tini)\b' |
        paste -sd,
}

# repack NAME VERSION FIELDS DEB...   the contents of all DEBs with the maintainer scripts of the
#                                     first, under a new name
repack() {
    local name=$1 version=$2 fields=$3 deb
    shift 3
    rm -rf tree && mkdir tree
    dpkg-deb -R "$1" tree && shift
    for deb in "$@"; do dpkg-deb -x "$deb" tree; done
    rm -rf tree/usr/share/doc tree/usr/share/man tree/usr/share/lintian tree/DEBIAN/md5sums
    {
        printf 'Package: %s\nVersion: %s\nArchitecture: amd64\n' "$name" "$version"
        printf 'Maintainer: Test repository <root@localhost>\nSection: admin\nPriority: optional\n'
        printf '%b' "$fields"
        printf 'Description: %s (repacked from Debian for tests)\n' "$name"
    } >tree/DEBIAN/control
    dpkg-deb --root-owner-group -Zgzip -z1 -b tree "$pool/${name}_${version#*:}_amd64.deb" \
        >/dev/null
}

# relations PACKAGES DEPENDS   the control fields of a package that replaces PACKAGES
relations() { printf 'Conflicts: %s\nReplaces: %s\nDepends: %s' "$1" "$1" "$2"; }

suffix="-1~ubuntu.24.04~$codename"
depends=$(outside_depends containerd)
repack containerd.io "$(upstream_version containerd)-1" \
    "Provides: containerd, runc\n$(relations 'containerd, runc' "$depends")\n" \
    containerd_*.deb runc_*.deb
depends=$(outside_depends docker-cli)
recommends='Recommends: docker-buildx-plugin, docker-compose-plugin'
repack docker-ce-cli "5:$(upstream_version docker-cli)$suffix" \
    "$(relations 'docker-cli, docker.io' "$depends")\n$recommends\n" \
    docker-cli_*.deb
depends="containerd.io (>= 1.6.24), docker-ce-cli, tini, $(outside_depends docker.io)"
repack docker-ce "5:$(upstream_version docker.io)$suffix" \
    "$(relations docker.io "$depends")\nRecommends: docker-ce-rootless-extras\n" \
    docker.io_*.deb
depends=$(outside_depends docker-buildx)
repack docker-buildx-plugin "$(upstream_version docker-buildx)$suffix" \
    "$(relations docker-buildx "$depends")\nEnhances: docker-ce-cli\n" \
    docker-buildx_*.deb
depends=$(outside_depends docker-compose)
repack docker-compose-plugin "$(upstream_version docker-compose)$suffix" \
    "$(relations docker-compose "$depends")\nEnhances: docker-ce-cli\n" \
    docker-compose_*.deb

cd "$out"
binary=dists/$codename/stable/binary-amd64
mkdir -p "$binary"
apt-ftparchive packages "dists/$codename/pool/stable/amd64" >"$binary/Packages"
gzip -9kf "$binary/Packages"
apt-ftparchive -o APT::FTPArchive::Release::Origin=Docker \
    -o APT::FTPArchive::Release::Label='Docker CE' \
    -o APT::FTPArchive::Release::Suite="$codename" \
    -o APT::FTPArchive::Release::Codename="$codename" \
    -o APT::FTPArchive::Release::Components=stable \
    -o APT::FTPArchive::Release::Architectures=amd64 \
    release "dists/$codename" >/build/Release
mv /build/Release "dists/$codename/Release"
export GNUPGHOME=/build/gpg
mkdir -m 700 "$GNUPGHOME"
gpg --batch --quiet --passphrase '' \
    --quick-gen-key 'Throwaway test repository <root@localhost>' rsa3072 sign never
gpg --batch --yes --clearsign -o "dists/$codename/InRelease" "dists/$codename/Release"
gpg --batch --yes -abs -o "dists/$codename/Release.gpg" "dists/$codename/Release"
gpg --armor --export --output gpg
chmod -R a+rX /build/out
tar -C /build/out -cf - . >&3

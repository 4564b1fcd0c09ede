#!/bin/sh
# Installs headwater from this folder on a machine without .deb packages: `sudo ./install.sh`; `sudo ./install.sh
# --uninstall` removes the program and the service, and keeps /etc/headwater and /var/lib/headwater.
set -eu
cd "$(dirname "$0")"
bin=/usr/local/bin/headwater
unit=/etc/systemd/system/headwater.service

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

[ "$(id -u)" -eq 0 ] || fail "this needs root: sudo ./install.sh"
if [ "${1:-}" = --uninstall ]; then
    systemctl disable --now headwater.service 2>/dev/null || true
    rm -f "$bin" "$unit" /usr/local/lib/sysusers.d/headwater.conf /usr/local/share/man/man1/headwater.1
    systemctl daemon-reload 2>/dev/null || true
    echo "removed; /etc/headwater, /var/lib/headwater and the user headwater stay"
    exit 0
fi
[ $# -eq 0 ] || fail "usage: ./install.sh [--uninstall]"
if ! why=$(./headwater --version 2>&1); then
    echo "$why" >&2
    case $why in
        *GLIBC*) fail "the C library here is too old; take the musl tarball, which needs none" ;;
        *) fail "this program is for $(cat target), and this machine is $(uname -m): take another tarball" ;;
    esac
fi
install -D -m 755 headwater "$bin.new" && mv "$bin.new" "$bin"
install -D -m 644 headwater.1 /usr/local/share/man/man1/headwater.1
if [ -e /etc/headwater/headwater.toml ]; then
    echo "/etc/headwater/headwater.toml stays as it is"
else
    install -D -m 644 headwater.toml /etc/headwater/headwater.toml
fi
if ! command -v systemctl >/dev/null; then
    echo "no systemd here: start '$bin run' as a user of its own, with a state directory of its own"
    exit 0
fi
install -D -m 644 sysusers.conf /usr/local/lib/sysusers.d/headwater.conf
systemd-sysusers /usr/local/lib/sysusers.d/headwater.conf
sed "s#/usr/bin/headwater#$bin#" headwater.service >"$unit"
chmod 644 "$unit"
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl enable headwater.service
    systemctl restart headwater.service
fi
echo "edit /etc/headwater/headwater.toml, then: systemctl reload headwater"

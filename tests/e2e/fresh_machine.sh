#!/usr/bin/env bash
# Both README commands on a fresh Debian 12: a debootstrapped root with git and nothing else.
#
# Usage: sudo tests/e2e/fresh_machine.sh [FOLDER]     (not part of tests/run: it takes half an hour)
# FOLDER, default a temporary one, gets about 3 GB. Removed afterwards unless KEEP=1.
set -euo pipefail
source_root=$(cd "$(dirname "$0")/../.." && pwd)
[ "$(id -u)" -eq 0 ] || { echo "fresh_machine: needs root for chroot" >&2; exit 1; }

folder=${1:-$(mktemp -d -t tocsin-fresh.XXXXXX)}
target=$folder/root
mkdir -p "$folder"
command -v debootstrap > /dev/null || apt-get install -y --no-install-recommends debootstrap

cleanup() {
  for mount in proc sys dev/pts dev; do
    if mountpoint -q "$target/$mount"; then umount -l "$target/$mount"; fi
  done
  [ "${KEEP:-}" = 1 ] || rm -rf --one-file-system "$folder"
}
trap cleanup EXIT

echo "== debootstrap into $target"
# The first Debian archive this machine uses itself, in either format of its sources.
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2> /dev/null |
  sed -nE 's/^(URIs:|deb( \[[^]]*\])?) +([^ ]+).*/\3/p' | head -n 1) || true
debootstrap --variant=minbase --include=git,ca-certificates bookworm "$target" "$mirror" > "$folder/debootstrap.log"
# The machine's way to its package mirror is part of the machine, not of the product.
cp -r /etc/apt/sources.list* /etc/apt/apt.conf.d "$target/etc/apt/" 2> /dev/null || true
cp /etc/resolv.conf "$target/etc/resolv.conf"
cp /etc/hosts "$target/etc/hosts"
mount -t proc proc "$target/proc"
mount -t sysfs sys "$target/sys"
mount --bind /dev "$target/dev"
mount -t devpts devpts "$target/dev/pts" 2> /dev/null || true

git clone -q "$source_root" "$target/root/tocsin"
if [ -d "$source_root/../shared" ]; then
  cp -r "$source_root/../shared" "$target/root/shared"
fi

run() { chroot "$target" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" bash -c "cd /root/tocsin && $1"; }

echo "== command one: packaging/quickstart"
run "packaging/quickstart --port 19464"
run "packaging/quickstart stop"
echo "== command two: tests/run"
run "tests/run"
echo "fresh_machine: both commands passed"

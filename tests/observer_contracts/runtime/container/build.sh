#!/bin/sh
# Builds the file system of a container below $ROOT and runs the given command in it, as a runtime would.
# Called inside of new mount, network and IPC namespaces, as root. Everything vanishes with the namespaces.
set -eu

mount --make-rprivate /
mount -t tmpfs -o mode=755,size=64m root "$ROOT"
cd "$ROOT"
mkdir -p etc proc dev sys tmp run home srv opt usr var/tmp var/log
chmod 1777 var/tmp

mount --bind /usr usr
mount -o remount,bind,ro usr
for name in bin sbin lib lib64; do
    if [ -L "/$name" ]; then
        cp -P "/$name" "$name"
    elif [ -d "/$name" ]; then
        mkdir "$name" && mount --bind "/$name" "$name" && mount -o remount,bind,ro "$name"
    fi
done

printf 'root:x:0:0::/:/bin/sh\nobserver:x:1000:1000::/:/bin/sh\n' > etc/passwd
printf 'root:x:0:\nobserver:x:1000:\n' > etc/group
printf 'hosts: files dns\npasswd: files\ngroup: files\n' > etc/nsswitch.conf
printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n' > etc/resolv.conf
printf '%s\n' "$HOSTS" > etc/hosts
cp /etc/ld.so.cache etc/ 2>/dev/null || true

mount -t tmpfs -o mode=755,size=1m dev dev
for name in null zero full random urandom; do
    touch "dev/$name"
    mount --bind "/dev/$name" "dev/$name"
done

# Where the interpreter and the project lie, other users may not be able to enter: they are mounted elsewhere.
mkdir opt/python opt/site-packages opt/application opt/support
for pair in "$PYTHON:opt/python" "$SITE_PACKAGES:opt/site-packages" "$APPLICATION:opt/application" "$SUPPORT:opt/support"; do
    mount --bind "${pair%%:*}" "${pair#*:}"
    mount -o remount,bind,ro "${pair#*:}"
done

# One line for each volume: what is mounted, where, and how.
echo "$VOLUMES" | while IFS='|' read -r source target options; do
    [ -n "$source" ] || continue
    mkdir -p ".$target"
    if [ "$source" = tmpfs ]; then
        mount -t tmpfs -o mode=1777,size=1m,nr_inodes=100 tmpfs ".$target"
    else
        mount --bind "$source" ".$target"
    fi
    [ "$options" = rw ] || mount -o "remount,bind,$options" ".$target"
done
for folder in $FOLDERS; do
    mkdir -p ".$folder"
done

mkdir .old
pivot_root . .old
cd /
# umount looks for its target in /proc.
mount -t proc proc /proc
umount -l /.old
rmdir /.old
if [ "$READ_ONLY_ROOT" = 1 ]; then
    mount -o remount,ro /
fi
# What belongs to the image is older than the container.
sleep 0.1
exec unshare --pid --fork --kill-child -- /bin/sh -c '
    mount -t proc proc /proc
    eval "$BEFORE"
    exec "$@"
' first-process "$@"

#!/bin/sh
# Reboot this machine, if it is still in the boot that was looked at. Prints `rebooting=BY WHAT`, or `refused=REASON`.
# The lock keeps two reboots apart; it lies in memory, and goes with the boot.
# usage: reboot.sh BOOT_ID
set -u
LC_ALL=C export LC_ALL
boot_id=$1
base=${VFPROOF_RUN:-/run/vfproof}
lock=$base/reboot

refuse() {
    printf 'refused=%s\n' "$1"
    exit 0
}

[ "$(id -u)" -eq 0 ] || refuse "a reboot needs root there"
[ "$(cat /proc/sys/kernel/random/boot_id)" = "$boot_id" ] || refuse "it was rebooted since it was looked at"
[ -d "$base" ] || mkdir -m 0700 "$base" 2>/dev/null || refuse "$base cannot be made"
if ! mkdir -m 0700 "$lock" 2>/dev/null; then
    [ -z "$(find "$lock" -prune -mmin -2)" ] || refuse "another reboot drill is at work there"
    touch "$lock" # of one that died before it rebooted anything
fi
sync
for way in "systemctl reboot" "shutdown -r now" reboot; do
    command -v "${way%% *}" >/dev/null || continue
    [ "$way" != "systemctl reboot" ] || [ -d "${VFPROOF_SYSTEMD:-/run/systemd/system}" ] || continue
    printf 'rebooting=%s\n' "$way"
    # shellcheck disable=SC2086 # a command and its words
    said=$($way 2>&1) && exit 0
    printf 'failed=%s: %s\n' "$way" "$(printf '%s\n' "$said" | head -n 1)"
done
rmdir "$lock"
refuse "no command there could reboot it"

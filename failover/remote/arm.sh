#!/bin/sh
# Take the drill lock of this machine's bond, write down what must come back, and arm the timer that brings it back
# when nobody else does. Prints `armed=...` when the timer is read back as alive, else `refused=REASON`.
# usage: arm.sh BOND TOKEN SECONDS
set -u
LC_ALL=C export LC_ALL
bond=$1 token=$2 seconds=$3
base=${VFPROOF_RUN:-/run/vfproof}
lock=$base/$bond
bonding=${VFPROOF_NET:-/sys/class/net}/$bond/bonding

refuse() {
    printf 'refused=%s\n' "$1"
    exit 0
}

holder_lives() { # the directory of a lock
    holder=$(cat "$1/holder" 2>/dev/null) || holder=
    case $holder in
    unit:*) systemctl is-active --quiet "${holder#unit:}.timer" ;;
    pid:*) tr '\0' ' ' <"/proc/${holder#pid:}/cmdline" 2>/dev/null | grep -qF "$1/undo" ;;
    *) [ -n "$(find "$1" -prune -mmin -1)" ] ;; # being made this very moment
    esac
}

[ -d "$base" ] || mkdir -m 0700 "$base" 2>/dev/null || refuse "$base cannot be made: drills need root on the guest"
[ -w "$bonding/active_slave" ] || refuse "$bonding/active_slave cannot be written: drills need root on the guest"
if ! mkdir -m 0700 "$lock" 2>/dev/null; then
    holder_lives "$lock" && refuse "another drill holds $lock ($(cat "$lock/token" 2>/dev/null))"
    # Its timer is gone. Whoever renames the lock is the one that cleans up after it.
    mv "$lock" "$lock.dead.$token" 2>/dev/null || refuse "another drill is taking over $lock"
    # A drill that died before it wrote its way back had changed nothing yet.
    [ ! -e "$lock.dead.$token/undo" ] || sh "$lock.dead.$token/undo" || refuse "a dead drill left $lock, and its state could not be given back"
    rm -rf "$lock.dead.$token"
    printf 'taken_over=%s\n' "$lock"
    mkdir -m 0700 "$lock" || refuse "another drill took $lock"
fi

printf '%s\n' "$token" >"$lock/token"
read -r active <"$bonding/active_slave" || true
[ -n "$active" ] || { rm -rf "$lock" && refuse "$bond has no active slave"; }
cat >"$lock/undo" <<EOF
# Give $bond its active slave back. Does nothing when it has it already. Written by a vfproof drill.
read -r now <'$bonding/active_slave'
[ "\$now" = '$active' ] || printf '%s\n' '$active' >'$bonding/active_slave'
EOF
cat >"$lock/undo_and_unlock" <<EOF
sh '$lock/undo' && rm -rf '$lock'
EOF

unit=vfproof-undo-$token
if [ -d "${VFPROOF_SYSTEMD:-/run/systemd/system}" ] && command -v systemd-run >/dev/null; then
    printf 'unit:%s\n' "$unit" >"$lock/holder"
    message=$(systemd-run --on-active="${seconds}s" --timer-property=AccuracySec=100ms --unit="$unit" --collect \
        /bin/sh "$lock/undo_and_unlock" 2>&1)
    if holder_lives "$lock"; then
        printf 'armed=systemd timer %s\n' "$unit"
        exit 0
    fi
    rm -rf "$lock"
    refuse "the undo timer did not start: $message"
fi

if command -v setsid >/dev/null; then
    # shellcheck disable=SC2016 # expanded by the shell that waits
    setsid sh -c 'sleep "$1"; exec sh "$2"' vfproof-undo "$seconds" "$lock/undo_and_unlock" </dev/null >/dev/null 2>&1 &
    printf 'pid:%s\n' "$!" >"$lock/holder"
    tries=0
    while [ $tries -lt 40 ]; do # until the new process has become the shell that waits
        if holder_lives "$lock"; then
            printf 'armed=detached shell %s\n' "$!"
            exit 0
        fi
        tries=$((tries + 1))
        sleep 0.05
    done
fi
rm -rf "$lock"
refuse "neither systemd-run nor setsid could start an undo timer"

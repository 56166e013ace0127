#!/bin/sh
# Take the drill lock of one thing of this machine, write down what must come back, and arm the timer that brings it
# back when nobody else does. Prints `armed=...` when the timer is read back as alive, else `refused=REASON`.
# usage: arm.sh LOCK TOKEN SECONDS FORMER bond BOND | pf PF | vf PF INDEX
# FORMER, unless empty: the token of the round of the same drill that is over: all is given back, and a new timer runs
# before the old one is stopped. Prints `given_back=...` about that.
# In the lock: token, holder (who waits), undo, undo_and_unlock; acting (who changes something this moment, empty when
# nobody does) and undoing (whoever finds it changes nothing any more).
set -u
LC_ALL=C export LC_ALL
lock_name=$1 token=$2 seconds=$3 former=$4 kind=$5 nic=$6 index=${7-}
base=${VFPROOF_RUN:-/run/vfproof}
lock=$base/$lock_name
net=${VFPROOF_NET:-/sys/class/net}
bonding=$net/$nic/bonding
trouble="its state could not be read"

refuse() {
    printf 'refused=%s\n' "$1"
    exit 0
}

line_of() { # FILE: its first line, in $line; empty when there is none
    line=
    # shellcheck disable=SC2162 # nothing of ours has a backslash
    { read line <"$1"; } 2>/dev/null || true
}

holder_lives() { # the directory of a lock
    line_of "$1/holder"
    holder=$line
    case $holder in
    unit:*) systemctl is-active --quiet "${holder#unit:}.timer" ;;
    pid:*) tr '\0' ' ' <"/proc/${holder#pid:}/cmdline" 2>/dev/null | grep -qF "$1/undo" ;;
    *) [ -n "$(find "$1" -prune -mmin -1)" ] ;; # being made this very moment
    esac
}

# What each of these prints is the way back: a script that does nothing where all is as it was. Names come from the
# kernel, which takes neither spaces nor slashes in them; quotes keep the rest.
bond_undo() {
    read -r active <"$bonding/active_slave" || true
    [ -n "$active" ] || { trouble="$nic has no active slave" && return 1; }
    read -r slaves <"$bonding/slaves" || slaves=
    printf '# Give %s its links and its active slave back. Written by a vfproof drill.\n' "$nic"
    for slave in $slaves; do
        flags=$(cat "$net/$slave/flags" 2>/dev/null) || continue
        [ $((flags & 1)) -eq 1 ] || continue
        printf "[ \$((\$(cat '%s') & 1)) -eq 1 ] || ip link set dev '%s' up\n" "$net/$slave/flags" "$slave"
    done
    # A link that has just come back is not taken as active before miimon and updelay have passed: try again.
    cat <<EOF
tries=0
until read -r now <'$bonding/active_slave' && [ "\$now" = '$active' ]; do
    [ \$tries -lt 200 ] || exit 1
    [ \$tries -eq 0 ] || sleep 0.1
    { printf '%s\n' '$active' >'$bonding/active_slave'; } 2>/dev/null
    tries=\$((tries + 1))
done
EOF
}

pf_undo() {
    flags=$(cat "$net/$nic/flags" 2>/dev/null) || { trouble="there is no interface $nic" && return 1; }
    [ $((flags & 1)) -eq 1 ] || { trouble="$nic is down already" && return 1; }
    printf "# Set %s up again. Written by a vfproof drill.\nip link set dev '%s' up\n" "$nic" "$nic"
}

vf_undo() {
    state=$(ip link show dev "$nic" | sed -n "s/^ *vf $index .*link-state \([a-z]*\).*/\1/p")
    [ -n "$state" ] || { trouble="the driver of $nic does not tell the link state of its VF $index" && return 1; }
    printf "# Give VF %s of %s its link state back. Written by a vfproof drill.\n" "$index" "$nic"
    printf "ip link set dev '%s' vf %s state %s\n" "$nic" "$index" "$state"
}

write_undo() {
    case $kind in
    bond) bond_undo ;;
    pf) pf_undo ;;
    vf) vf_undo ;;
    *) trouble="nothing is known of a $kind" && return 1 ;;
    esac
}

wait_for_acting() { # what somebody changes this moment must be done before it is undone
    tries=0
    line_of "$lock/acting"
    while [ -n "$line" ] && [ $tries -lt 100 ] && kill -0 "$line" 2>/dev/null; do
        tries=$((tries + 1))
        sleep 0.1
        line_of "$lock/acting"
    done
}

stop_waiting() { # what a lock says of its holder
    case $1 in
    unit:*) systemctl stop "${1#unit:}.timer" ;;
    pid:*)
        # The waiting shell leads its own process group: its sleep goes with it.
        kill -- "-${1#pid:}" 2>/dev/null || kill "${1#pid:}" 2>/dev/null || true
        ;;
    esac
}

start_timer() { # Prints `armed=...`, and ends the script, when one lives; else $message says why not.
    unit=vfproof-undo-$token
    message="neither systemd-run nor setsid could start an undo timer"
    if [ -d "${VFPROOF_SYSTEMD:-/run/systemd/system}" ] && command -v systemd-run >/dev/null; then
        printf 'unit:%s\n' "$unit" >"$lock/holder"
        message="the undo timer did not start: $(systemd-run --on-active="${seconds}s" \
            --timer-property=AccuracySec=100ms --unit="$unit" --collect /bin/sh "$lock/undo_and_unlock" 2>&1)"
        ! holder_lives "$lock" || armed "systemd timer $unit"
    elif command -v setsid >/dev/null; then
        # shellcheck disable=SC2016 # expanded by the shell that waits
        setsid sh -c 'sleep "$1"; exec sh "$2"' vfproof-undo "$seconds" "$lock/undo_and_unlock" \
            </dev/null >/dev/null 2>&1 &
        number=$!
        printf 'pid:%s\n' "$number" >"$lock/holder"
        tries=0
        while [ $tries -lt 40 ]; do # until the new process has become the shell that waits
            ! holder_lives "$lock" || armed "detached shell $number"
            tries=$((tries + 1))
            sleep 0.05
        done
    fi
}

armed() {
    printf '%s\n' "$token" >"$lock/token"
    [ -z "$old" ] || stop_waiting "$old"
    printf 'armed=%s\n' "$1"
    exit 0
}

old=
if [ -n "$former" ]; then
    line_of "$lock/token"
    if [ "$line" = "$former" ]; then
        line_of "$lock/holder"
        old=$line
        printf '' >"$lock/undoing"
        wait_for_acting
        sh "$lock/undo" || refuse "what was done could not be given back"
        rm -f "$lock/undoing"
        printf 'given_back=yes\n'
        start_timer
        printf '%s\n' "$old" >"$lock/holder"
        refuse "$message"
    fi
    printf 'given_back=the timer had done it already\n'
fi

[ -d "$base" ] || mkdir -m 0700 "$base" 2>/dev/null || refuse "$base cannot be made: drills need root there"
[ "$kind" != bond ] || [ -w "$bonding/active_slave" ] ||
    refuse "$bonding/active_slave cannot be written: drills need root on the guest"
if ! mkdir -m 0700 "$lock" 2>/dev/null; then
    holder_lives "$lock" && refuse "another drill holds $lock ($(cat "$lock/token" 2>/dev/null))"
    # Its timer is gone. Whoever renames the lock is the one that cleans up after it.
    mv "$lock" "$lock.dead.$token" 2>/dev/null || refuse "another drill is taking over $lock"
    # A drill that died before it wrote its way back had changed nothing yet.
    [ ! -e "$lock.dead.$token/undo" ] || sh "$lock.dead.$token/undo" || {
        mv "$lock.dead.$token" "$lock" 2>/dev/null # the next one is to try it again
        refuse "a dead drill left $lock, and its state could not be given back"
    }
    rm -rf "$lock.dead.$token"
    printf 'taken_over=%s\n' "$lock"
    mkdir -m 0700 "$lock" || refuse "another drill took $lock"
fi

printf '%s\n' "$token" >"$lock/token"
write_undo >"$lock/undo" || { rm -rf "$lock" && refuse "$trouble"; }
# Whoever changes something this moment is waited for, and nobody begins to: else the change could come after the way
# back. A way back that fails, say because a link is not there yet, is tried again for some minutes.
cat >"$lock/undo_and_unlock" <<EOF
printf '' >'$lock/undoing'
tries=0
while [ \$tries -lt 100 ] && read -r acting <'$lock/acting' && kill -0 "\$acting"; do
    tries=\$((tries + 1))
    sleep 0.1
done 2>/dev/null
tries=0
until sh '$lock/undo'; do
    tries=\$((tries + 1))
    [ \$tries -lt 20 ] && [ -e '$lock/undo' ] || exit 1
    sleep 5
done
rm -rf '$lock'
EOF
start_timer
rm -rf "$lock"
refuse "$message"

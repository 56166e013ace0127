# shellcheck shell=sh
# Functions of the gather: POSIX sh, nothing but coreutils or busybox, grep, sed and xargs. It writes nothing.
#
# The controller sets before it: vfp_mask (mask.sed), VFP_B (the boundary), VFP_SUDO (1 when sudo may be used), VFP_PASS
# (user or root), VFP_ONLY (in the root pass: numbers of the sources that were denied), VFP_BODY (this text and the plan, for the root
# pass), and puts the plan after it. The answer's format is described in checks/stream.py.
#
# A fork costs 5 ms on an emulated host. So globs are expanded by the shell, one grep reads all small files and one ls
# all links; what finds nothing starts nothing; a file is read alone only when its group hung or was too large.
# tests/checks/test_gather_cost.py counts the processes.

LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin
export LC_ALL PATH
unset QUOTING_STYLE GREP_OPTIONS GREP_COLOR POSIXLY_CORRECT
IFS=
exec 3>&1 </dev/null
vfp_denied=
vfp_patience=5 # seconds for one file alone
vfp_many=1000 # paths of one command line; of 50 bytes each they are far from what any kernel allows
vfp_listed=
vfp_uid=$(id -u)

# mark TAG NUMBER: a section begins.
mark() {
    printf '\n%s %s %s\n' "$VFP_B" "$1" "$2"
}

note() {
    mark note 0
    printf '%s' "$1"
}

# finished NUMBER...: these sources are through.
finished() {
    mark 'done' 0
    printf '%s ' "$@"
}

# want NUMBER: whether this pass reads the source.
want() {
    case $VFP_PASS in
    user) return 0 ;;
    esac
    case " $VFP_ONLY " in
    *" $1 "*) return 0 ;;
    esac
    return 1
}

# deny NUMBER: the root pass shall try this source.
deny() {
    case " $vfp_denied " in
    *" $1 "*) ;;
    *) vfp_denied="$vfp_denied $1" ;;
    esac
}

# shut NUMBER DIRECTORY: nobody knows what lies in it.
shut() {
    mark closed "$1"
    printf '%s' "$2"
    deny "$1"
}

# there PATH: whether a source found something, or its glob stands for itself. Where nobody may look, a reader shall say so.
there() {
    [ -e "$1" ] || [ -L "$1" ] && return 0
    [ -d "${1%/*}" ] && [ ! -x "${1%/*}" ]
}

# look NUMBER GLOB: find out what this user may not see. A glob finds nothing in a closed directory, and that is not
# the same as there being nothing.
look() {
    [ "$vfp_uid" = 0 ] && return 0
    vfp_rest=$2 vfp_dir=
    while :; do
        vfp_rest=${vfp_rest#/}
        vfp_part=${vfp_rest%%/*}
        [ "$vfp_part" = "$vfp_rest" ] && break
        vfp_rest=${vfp_rest#*/}
        vfp_dir=$vfp_dir/$vfp_part
        case $vfp_dir in
        /sys/*/*/*/*) break ;; # sysfs keeps its directories open
        esac
        # shellcheck disable=SC2086 # it is a glob, and IFS is empty
        for vfp_d in $vfp_dir; do
            [ -d "$vfp_d" ] || continue
            case ${vfp_rest%%/*} in
            *[*?[]*) [ -r "$vfp_d" ] || shut "$1" "$vfp_d" ;;
            esac
            [ -x "$vfp_d" ] || shut "$1" "$vfp_d"
        done
    done
    [ "$VFP_SUDO" = 1 ] || return 0
    # shellcheck disable=SC2086
    for vfp_f in $2; do
        [ -r "$vfp_f" ] || [ ! -e "$vfp_f" ] || deny "$1"
    done
    return 0
}

# kill_children: what xargs started would outlive it, and hold the pipe open.
kill_children() {
    IFS=' '
    for vfp_f in /proc/[0-9]*/stat; do
        read -r vfp_line <"$vfp_f" || continue
        # shellcheck disable=SC2086 # after the name, which may hold anything: state and parent
        set -- ${vfp_line##*) }
        [ "$2" = "$vfp_command" ] && kill -KILL "${vfp_line%% *}"
    done
}

# within SECONDS COMMAND...: its output and exit status; 124 or 137 when its time was up.
if command -v timeout >/dev/null && timeout 5 true 2>/dev/null; then
    within() {
        timeout "$@"
    }
else
    within() {
        vfp_seconds=$1
        shift
        # A command in the background gets /dev/null as its input, so the input is handed over as descriptor 4.
        {
            "$@" <&4 &
            vfp_command=$!
        } 4<&0
        (
            exec >/dev/null 2>&1 3>&- 4<&-
            trap 'kill "$vfp_sleep"; exit' TERM
            sleep "$vfp_seconds" &
            vfp_sleep=$!
            wait "$vfp_sleep"
            kill_children
            kill -KILL "$vfp_command"
        ) &
        vfp_guard=$!
        wait "$vfp_command"
        vfp_rc=$?
        kill "$vfp_guard" 2>/dev/null
        return "$vfp_rc"
    }
fi

# end_of ERR [MASKED]: closes a section with what the reader complained; its last line is the exit status.
end_of() {
    mark err "${2:-0}"
    printf '%s' "$1"
}

# sent FUNCTION WORD...: what it prints goes out, no more than the limit; and, where it can be, without what looks like a
# secret. Without sed no text leaves. What it complained stays in vfp_err.
sent() {
    if [ "$vfp_masked" = 0 ]; then
        vfp_err=$({ "$@" | head -c "$vfp_limit"; } 2>&1 >&3)
    else
        # shellcheck disable=SC2154 # vfp_mask stands before this text
        vfp_err=$({ { "$@"; mark whole 0; } | head -c $((vfp_limit + 64)) | sed -E "$vfp_mask" ||
            printf '\nrc 99' >&2; } 2>&1 >&3)
    fi
    end_of "$vfp_err" "$vfp_masked"
}

# timed SECONDS COMMAND...: the command, and its exit status as the last line of what it complains.
timed() {
    within "$@"
    printf '\nrc %s' $? >&2
}

# went_well ERR: whether a group was read to its end (checks/sections.py knows the same numbers).
went_well() {
    case ${1##*rc } in
    0 | 1 | 2 | 123) return 0 ;;
    esac
    return 1
}

# read_lines SECONDS LIMIT MASKED DROP KEEP PATH...: small text files, by one grep. MASKED: 1 or 0.
read_lines() {
    [ $# -gt 5 ] || return 0
    vfp_time=$1 vfp_limit=$2 vfp_masked=$3 vfp_drop=$4 vfp_keep=$5
    shift 5
    if [ -n "$vfp_drop" ] && [ -n "$vfp_keep" ]; then
        read_each "$@" # the second grep of two would see the names that the first one prints
        return
    fi
    mark list 0
    printf '%s\000' "$@"
    mark lines 0
    vfp_how=-aHE vfp_what=$vfp_keep
    [ -n "$vfp_drop" ] && vfp_how=-aHvE vfp_what=$vfp_drop
    if [ $# -le "$vfp_many" ]; then
        sent timed "$vfp_time" grep "$vfp_how" -e "$vfp_what" "$@"
    else
        sent lines_of_many "$@"
    fi
    went_well "$vfp_err" || read_each "$@"
}

# lines_of_many PATH...: more than the kernel takes in one command line, maybe.
lines_of_many() {
    printf '%s\000' "$@" | timed "$vfp_time" xargs -0 grep "$vfp_how" -e "$vfp_what"
}

# read_each PATH...: the same files one by one, after their group failed.
read_each() {
    for vfp_f; do
        mark item 0
        printf '%s' "$vfp_f"
        mark out 0
        sent read_kept "$vfp_f"
    done
}

read_kept() {
    if [ -n "$vfp_keep" ]; then
        read_one "$1" | grep -aE -e "$vfp_keep"
    else
        read_one "$1"
    fi
}

read_one() {
    if [ -n "$vfp_drop" ]; then
        within "$vfp_patience" grep -avE -e "$vfp_drop" -- "$1"
    else
        within "$vfp_patience" cat -- "$1"
    fi
    vfp_rc=$?
    [ -n "$vfp_drop" ] && [ $vfp_rc = 1 ] && vfp_rc=0 # no line was left
    printf '\nrc %s' $vfp_rc >&2
}

# read_links SECONDS PATH...: where symbolic links point, by one ls. Numeric ids: names may ask a directory server.
read_links() {
    [ $# -gt 1 ] || return 0
    vfp_time=$1
    shift
    mark list 0
    printf '%s\000' "$@"
    mark ls 0
    if [ $# -le "$vfp_many" ]; then
        vfp_err=$(timed "$vfp_time" ls -ldn "$@" 2>&1 >&3)
    else
        vfp_err=$(printf '%s\000' "$@" | timed "$vfp_time" xargs -0 ls -ldn 2>&1 >&3)
    fi
    end_of "$vfp_err"
}

# read_names NUMBER PATH...: what lies in every one of them that is a directory.
read_names() {
    vfp_number=$1
    shift
    mark dirs "$vfp_number"
    for vfp_d; do
        vfp_d=${vfp_d%/}/
        [ -d "$vfp_d" ] || continue
        if [ ! -r "$vfp_d" ] || [ ! -x "$vfp_d" ]; then
            printf 'X%s\000' "$vfp_d"
            deny "$vfp_number"
            continue
        fi
        printf 'D%s\000' "$vfp_d"
        for vfp_f in "$vfp_d"* "$vfp_d".[!.]* "$vfp_d"..?*; do
            [ -e "$vfp_f" ] || [ -L "$vfp_f" ] || continue
            printf 'N%s\000' "${vfp_f##*/}"
        done
    done
}

# read_binary NUMBER SECONDS LIMIT PATH...: files that are not text, each by one od.
read_binary() {
    vfp_number=$1 vfp_time=$2 vfp_limit=$3
    shift 3
    for vfp_f; do
        [ -e "$vfp_f" ] || continue
        mark item "$vfp_number"
        printf '%s' "$vfp_f"
        mark hex "$vfp_number"
        vfp_err=$(timed "$vfp_time" od -An -v -tx1 -N "$vfp_limit" "$vfp_f" 2>&1 >&3)
        end_of "$vfp_err"
    done
}

# run NUMBER SECONDS LIMIT MASKED DROP KEEP LINE WORD...: one command. LINE is what the bundle calls it.
run() {
    vfp_number=$1 vfp_time=$2 vfp_limit=$3 vfp_masked=$4 vfp_drop=$5 vfp_keep=$6
    mark item "$1"
    printf '%s' "$7"
    mark cmd "$1"
    shift 7
    if ! command -v "$1" >/dev/null; then
        end_of '
rc 127'
        return
    fi
    sent sieved timed "$vfp_time" "$@"
    refused "${vfp_err##*rc }" "$vfp_err" && deny "$vfp_number"
}

# sieved FUNCTION WORD...: of what it prints, the lines that may and shall leave the host.
sieved() {
    case ${vfp_drop:+drop}${vfp_keep:+keep} in
    '') "$@" ;;
    keep) "$@" | grep -aE -e "$vfp_keep" ;;
    drop) "$@" | grep -avE -e "$vfp_drop" ;;
    *) "$@" | grep -avE -e "$vfp_drop" | grep -aE -e "$vfp_keep" ;;
    esac
}

# refused STATUS COMPLAINT: whether a command failed for lack of rights.
refused() {
    [ "$1" != 0 ] || return 1
    case $2 in
    *[Pp]ermission\ denied* | *not\ permitted* | *must\ be\ root* | *uperuser* | *uthentication\ unavailable* | *nsufficient\ permissions*) return 0 ;;
    esac
    return 1
}

# run_each NUMBER SECONDS LIMIT MASKED DROP KEEP LINE LIST: LINE with each line that the command LIST prints.
run_each() {
    vfp_newline='
'
    set -f
    IFS=' '
    # shellcheck disable=SC2086 # both lines are plain words
    command -v ${8%% *} >/dev/null || { set +f && IFS= && return; }
    if [ "$8" != "$vfp_listed" ]; then
        vfp_listed=$8
        # shellcheck disable=SC2086
        vfp_list=$(within "$2" $8 2>/dev/null)
        vfp_list_rc=$?
        # shellcheck disable=SC2086
        [ "$vfp_list_rc" = 0 ] || vfp_list_err=$(within "$2" $8 2>&1 >/dev/null)
    fi
    if [ "$vfp_list_rc" != 0 ]; then
        mark unread "$1"
        printf '%s: %s' "$8" "${vfp_list_err:-exit status $vfp_list_rc}"
        refused "$vfp_list_rc" "$vfp_list_err" && deny "$1"
    fi
    IFS=$vfp_newline
    for vfp_argument in $vfp_list; do
        IFS=' '
        case $vfp_argument in
        '') continue ;;
        -*) note "'$8' names '$vfp_argument', which '$7' would take for an option" && continue ;;
        esac
        # shellcheck disable=SC2086
        run "$1" "$2" "$3" "$4" "$5" "$6" "$7 $vfp_argument" $7 "$vfp_argument"
    done
    set +f
    IFS=
}

# run_matched NUMBER SECONDS LIMIT MASKED DROP KEEP LINE GLOB: LINE with the name that stands in each match of the glob
# where the glob has its first wildcard.
run_matched() {
    vfp_before=${8%%[*?[]*}
    vfp_before=${vfp_before%/*}/
    # shellcheck disable=SC2086 # it is a glob, and IFS is empty
    for vfp_f in $8; do
        [ -e "$vfp_f" ] || continue
        vfp_argument=${vfp_f#"$vfp_before"}
        vfp_argument=${vfp_argument%%/*}
        case $vfp_argument in
        -*) note "'$8' finds '$vfp_argument', which '$7' would take for an option" && continue ;;
        esac
        set -f
        IFS=' '
        # shellcheck disable=SC2086 # the line is plain words
        run "$1" "$2" "$3" "$4" "$5" "$6" "$7 $vfp_argument" $7 "$vfp_argument"
        set +f
        IFS=
    done
}

# spared NUMBER DIRECTORY: whether root need not run a command, as all that it would say was read from the directory.
spared() {
    [ "$vfp_uid" = 0 ] && [ -d "$2" ] || return 1
    mark spared "$1"
    printf '%s' "$2"
}

# begin: the head of this pass.
begin() {
    if [ "$VFP_PASS" = user ]; then
        mark hello 0
        return
    fi
    IFS=' '
    for vfp_number in $VFP_ONLY; do
        mark again "$vfp_number"
    done
    IFS=
}

# may TEXT: whether sudo allows this one text, which is asked without a trace in the machine's log.
may() {
    sudo -n -l /bin/sh -c "$1" >/dev/null 2>&1 || return 1
    vfp_allowed=1
}

# root_lines NUMBER TEXT TEXT: small text files by root. The first text prints their paths, the second what is in them.
root_lines() {
    may "$2" && may "$3" || return 0
    vfp_limit=16777216 vfp_masked=1
    vfp_list=$(sudo -n /bin/sh -c "$2" 2>/dev/null) || return 0
    mark again "$1"
    mark list 0
    printf '%s\n' "$vfp_list" | tr '\n' '\000'
    mark lines 0
    sent by_root "$3"
}

# by_root TEXT: the text run by root, and its exit status as the last line of what it complains.
by_root() {
    sudo -n /bin/sh -c "$1"
    printf '\nrc %s' $? >&2
}

# root_names NUMBER TEXT: what lies in directories, by root.
root_names() {
    may "$2" && vfp_list=$(sudo -n /bin/sh -c "$2" 2>/dev/null) || return 0
    mark again "$1"
    mark dirs "$1"
    [ -z "$vfp_list" ] || printf '%s\n' "$vfp_list" | tr '\n' '\000'
}

# root_binary NUMBER PATH TEXT: one file that is not text, by root.
root_binary() {
    may "$3" || return 0
    mark again "$1"
    mark item "$1"
    printf '%s' "$2"
    mark hex "$1"
    vfp_err=$(by_root "$3" 2>&1 >&3)
    end_of "$vfp_err"
}

# root_command NUMBER LIMIT DROP KEEP LINE TEXT: one command, by root.
root_command() {
    may "$6" || return 0
    vfp_limit=$2 vfp_masked=1 vfp_drop=$3 vfp_keep=$4
    mark again "$1"
    mark item "$1"
    printf '%s' "$5"
    mark cmd "$1"
    sent sieved by_root "$6"
}

# one_by_one REFUSAL: what was denied is read by the commands that sudo allows (checks/as_root.py), and by no other.
one_by_one() {
    vfp_allowed=
    IFS=' '
    for vfp_number in $vfp_denied; do
        IFS=
        as_root "$vfp_number"
    done
    IFS=
    [ -n "$vfp_allowed" ] || note "sudo -n: ${1:-not allowed}"
}

# finish: what was denied is read by root, if that is allowed; then the answer is whole.
finish() {
    [ "$VFP_PASS" = user ] || return 0
    if [ -z "$vfp_denied" ] || [ "$VFP_SUDO" != 1 ] || [ "$vfp_uid" = 0 ]; then
        :
    elif ! vfp_err=$(sudo -n -l sh -c 'eval "$(cat)"' 2>&1); then
        one_by_one "$vfp_err"
    else
        # The text goes through a pipe: arguments are for everybody to see, and the boundary is in it.
        vfp_err=$({
            printf '%s\n' "VFP_PASS=root VFP_SUDO=0 VFP_BODY= VFP_ONLY='$vfp_denied'" "VFP_B=$VFP_B" "$VFP_BODY" |
                sudo -n sh -c 'eval "$(cat)"' >&3
            printf '\nrc %s' $? >&2
        } 2>&1)
        case ${vfp_err##*rc } in
        0) ;;
        *) note "sudo -n: ${vfp_err%
rc *}" ;;
        esac
    fi
    mark bye 0
}

#!/bin/sh
# Print the observer's neighbour entries on an interface, and every change of them with its time in UTC. They are only
# read: they must move by what the guest announces. The kernel tells of each change by itself (RTM_NEWNEIGH), so
# nothing is polled, and the time is that of the change.
# usage: neighbour.sh INTERFACE
set -u
TZ=UTC LC_ALL=C
export TZ LC_ALL
printf 'now [%s]\n' "$(date +%Y-%m-%dT%H:%M:%S.%N)"
ip neigh show dev "$1"
exec ip -ts monitor neigh dev "$1"

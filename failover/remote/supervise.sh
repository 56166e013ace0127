#!/bin/sh
# Run a program until it ends or our standard input does, whichever comes first: when the controller dies, or its
# connection is cut, nothing is left running here.
# usage: supervise.sh COMMAND [ARGUMENT...]
"$@" </dev/null &
child=$!
exec >&- # the program alone holds standard output, so that its end is seen
cat >/dev/null
kill -TERM "$child" 2>/dev/null
wait "$child"

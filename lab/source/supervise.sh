#!/bin/sh
# Keeps one source host running: boots it in cgroups of its own, boots it again after a reboot inside (exit 133), and
# passes SIGTERM on as an orderly shutdown. Never restarts a host that was powered off or that crashed.
# Usage: supervise.sh NAME PIDFILE NAMESPACE NSPAWN-ARGUMENT...
set -u
name=$1 pidfile=$2 namespace=$3
shift 3
echo $$ > "$pidfile"

# Without cgroups of its own every host would land in one "payload", and the last one would hang when it stops.
for tree in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
  [ -w "$tree/cgroup.procs" ] || continue
  mkdir -p "$tree/dcshift-$name" && echo $$ > "$tree/dcshift-$name/cgroup.procs"
done

child=
stopping=
trap 'stopping=1; [ -z "$child" ] || kill -TERM "$child" 2> /dev/null' TERM INT

while [ -z "$stopping" ]; do
  nsenter --net="/run/netns/$namespace" systemd-nspawn "$@" < /dev/null &
  child=$!
  wait "$child"
  status=$?
  while kill -0 "$child" 2> /dev/null; do # a signal ends "wait" early
    wait "$child"
    status=$?
  done
  echo "$name ended with $status"
  [ "$status" -eq 133 ] || break
done
rm -f "$pidfile"

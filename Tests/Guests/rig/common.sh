# shellcheck shell=bash
# Copyright 2026 The Martlet Authors
# SPDX-License-Identifier: Apache-2.0
#
# What the rig's scripts share. Sourced. The guest's init prints lines that start with
# the mark below; the runners read them, so the word must agree in both places.

# shellcheck disable=SC2034 # for those who source this
rig=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Statuses of the runners beside the job's own 0..123.
export TIMED_OUT=124 NO_REPORT=125

guest_mark='MARTLET-GUEST:'

rig_cache() {
  printf '%s/martlet\n' "${XDG_CACHE_HOME:-$HOME/.cache}"
}

guest_directory() {
  printf '%s\n' "${MARTLET_GUEST_DIR:-$(rig_cache)/guests}"
}

fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# build_job_archive OUT JOB [HOSTFILE:NAME]...: an uncompressed cpio with /job/run and the
# given files under /job. The kernel unpacks concatenated archives in order, so a job
# costs no rebuild of the initramfs.
build_job_archive() {
  local out=$1 job=$2 stage pair
  shift 2
  stage=$(mktemp -d "${out%/*}/stage.XXXXXX")
  mkdir "$stage/job"
  cp "$job" "$stage/job/run"
  for pair in "$@"; do
    cp -L "${pair%%:*}" "$stage/job/${pair#*:}"
  done
  (cd "$stage" && find job | cpio -o -H newc --quiet) >"$out"
  rm -rf "$stage"
}

# The status the guest's init reported, or nothing.
reported_status() {
  tr -d '\r' <"$1" | sed -n "s/^$guest_mark job exit \([0-9][0-9]*\)$/\1/p" | tail -n 1
}

# watch_guest PID SECONDS CONSOLE: passes the console on while the guest lives, ends it
# when its time is up. Returns 1 if it had to be ended. PID leads a process group of its
# own, made by the caller, so that helper processes of the guest end with it.
watch_guest() {
  local pid=$1 seconds=$2 console=$3 deadline=$((SECONDS + $2)) follow timed_out=0
  # Line by line, because a test may wait for one.
  tail -n +1 -s 0.1 -f --pid="$pid" "$console" 2>/dev/null | sed -u 's/\r//g' &
  follow=$!
  while kill -0 "$pid" 2>/dev/null; do
    if ((SECONDS >= deadline)); then
      end_guest "$pid"
      printf '%s ended after %s s\n' "$guest_mark" "$seconds"
      timed_out=1
      break
    fi
    sleep 0.1
  done
  wait "$follow" 2>/dev/null || true
  return "$timed_out"
}

end_guest() {
  kill -KILL -- "-$1" 2>/dev/null || kill -KILL "$1" 2>/dev/null || true
}

# shellcheck shell=bash
# Copyright 2026 The Martlet Authors
# SPDX-License-Identifier: Apache-2.0
#
# What quickstart and test share: finding the cache, saying what happens, and
# installing Debian packages. Sourced, never run. Nothing here knows about guests.

# Everything that is fetched or prepared once lives here and may be deleted at any time.
martlet_cache() {
  printf '%s/martlet\n' "${XDG_CACHE_HOME:-$HOME/.cache}"
}

# One sentence for a person, then a failing exit: the scripts never end in a bare trace.
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# Prints the packages among "$@" that are not installed, one per line.
missing_packages() {
  local package
  for package in "$@"; do
    case $(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null || true) in
      ii*) ;;
      *) printf '%s\n' "$package" ;;
    esac
  done
}

# ask_for_root PACKAGE...: has sudo ask for its password now, in the foreground, if any of
# the packages is missing. A step runs in the background, where it could not ask.
ask_for_root() {
  if ((EUID == 0)) || ! command -v sudo >/dev/null || [[ -z $(missing_packages "$@") ]]; then
    return 0
  fi
  sudo -n true 2>/dev/null || sudo -v || die "installing packages needs root"
}

# need_packages LOG PACKAGE...: installs what is missing, and does not touch apt when
# nothing is. The output of apt goes to LOG, because it matters only when it fails.
need_packages() {
  local log=$1
  shift
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    die "this needs apt; on another distribution install the counterparts of: $*"
  fi
  local -a missing=() as_root=()
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]} == 0)) && return 0

  if ((EUID != 0)); then
    command -v sudo >/dev/null ||
      die "these packages are missing and only root can install them: ${missing[*]}"
    as_root=(sudo -n)
  fi
  # A first try without update: fresh lists make it work, stale ones cost a second.
  local -a install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends)
  {
    "${as_root[@]}" "${install[@]}" "${missing[@]}" </dev/null ||
      { "${as_root[@]}" apt-get update -q </dev/null &&
        "${as_root[@]}" "${install[@]}" "${missing[@]}" </dev/null; }
  } >>"$log" 2>&1 ||
    die "could not install ${missing[*]} (offline, or no such package here?); apt's last words: $(tail -n 2 "$log" | tr '\n' ' ')"
}

# The Swift toolchain is the one thing these scripts do not install.
need_swift() {
  command -v swift >/dev/null ||
    die "no swift in PATH; install Swift 6.3 or newer from https://www.swift.org/install/linux/ and try again"
}

# What `swift build` links against, and what a guest needs, in Debian's names.
build_packages() {
  printf '%s\n' pkg-config liburing-dev libseccomp-dev libcap-ng-dev libfuse3-dev zlib1g-dev
}

guest_packages() {
  printf '%s\n' qemu-system-x86 busybox-static cpio kmod xz-utils zstd
}

# Steps with their times. The caller sets step_count and step_log first.
step_number=0
step_pid=''

# step TEXT COMMAND...: runs the command with its output in $step_log, shows the seconds
# as they pass on a terminal, and gives the command's status.
step() {
  local text=$1 started=$SECONDS status=0
  shift
  step_number=$((step_number + 1))
  local head="[$step_number/${step_count:?}] $text ..."
  printf '%s' "$head"
  # A process group of its own, so that end_step reaches what the command starts.
  set -m
  "$@" </dev/null >>"${step_log:?}" 2>&1 &
  step_pid=$!
  set +m
  while kill -0 "$step_pid" 2>/dev/null; do
    sleep 0.2
    [[ ! -t 1 ]] || printf '\r%s %d s' "$head" $((SECONDS - started))
  done
  wait "$step_pid" || status=$?
  step_pid=''
  if [[ -t 1 ]]; then printf '\r%s' "$head"; fi
  if ((status == 0)); then
    printf ' %d s\n' $((SECONDS - started))
  else
    printf ' failed after %d s\n' $((SECONDS - started))
  fi
  return "$status"
}

# Ends the step under way, for use in a trap.
end_step() {
  [[ -n $step_pid ]] || return 0
  kill -TERM -- "-$step_pid" 2>/dev/null || true
  wait "$step_pid" 2>/dev/null || true
  step_pid=''
}

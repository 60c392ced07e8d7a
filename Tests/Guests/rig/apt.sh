# shellcheck shell=bash
# Copyright 2026 The Martlet Authors
# SPDX-License-Identifier: Apache-2.0
#
# An apt of the rig's own, for packages of the system's suite or another one: lists and
# archives in the cache, so no root and no trace in the system. Sourced after common.sh.

sources=()

# use_apt_in HOME [SUITE]: the machine's own sources, with the suite's name changed when
# another suite is asked for.
use_apt_in() {
  apt_home=$1
  local suite=${2:-} codename list target
  [[ -n $suite ]] || return 0
  # shellcheck disable=SC1091
  codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:?}")
  mkdir -p "$apt_home/apt/sources.d"
  : >"$apt_home/apt/sources.list"
  for list in /etc/apt/sources.list /etc/apt/sources.list.d/debian*; do
    [[ -f $list ]] || continue
    target=$apt_home/apt/sources.d/${list##*/}
    # sid has neither an -updates nor a -security suite: a line for one of them goes, or its name from a Suites field.
    if [[ $suite == sid ]]; then
      sed -E -e "/^[[:space:]]*deb(-src)?[[:space:]].*\b$codename-(updates|security)\b/d" \
        -e "s/\b$codename-(updates|security)\b//g; s/\b$codename\b/sid/g" "$list" >"$target"
    else
      sed -E "s/\b$codename(-updates|-security)?\b/$suite\1/g" "$list" >"$target"
    fi
  done
  sources=(-o "Dir::Etc::sourcelist=$apt_home/apt/sources.list" -o "Dir::Etc::sourceparts=$apt_home/apt/sources.d")
}

private_apt() {
  local tool=$1
  shift
  mkdir -p "$apt_home/apt/lists/partial" "$apt_home/apt/archives/partial" "$apt_home/apt/sources.d"
  "$tool" -q -o Dir::State::lists="$apt_home/apt/lists" -o Dir::Cache="$apt_home/apt" \
    -o Dir::Cache::archives="$apt_home/apt/archives" -o APT::Sandbox::User="$(id -un)" \
    ${sources[@]+"${sources[@]}"} "$@"
}

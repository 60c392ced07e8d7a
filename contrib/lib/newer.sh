# Copyright 2026 The Martlet Authors
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# For scripts that fetch rivals of a benchmark or what guests need: puts a program of another Debian into the cache,
# beside the system and without root. Nothing is installed. The program is started through the loader and the
# libraries that were fetched with it, because it may need a newer C library than the system has. apt checks signatures
# and hashes.
#
# Whoever sources this may set, with @ROOT@ for the folder that all was unpacked into and @LIBRARIES@ for the one of the
# libraries in it:
#   newer_environment  NAME=value words in front of the program
#   newer_words        words behind it
# and, without such words,
#   newer_more         further packages that come along
# and redefine `answers PROGRAM`, which tells whether a program that was fetched works.
newer_environment='' newer_words='' newer_more=()

answers() {
  "$1" --version
}

fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# fetch_newer NAME PACKAGE SUITE [KIND]: prints the path of a program that starts it, and its version. What is in the
# cache (in a folder of this KIND, else "rivals") and answers is good for a day, because sid moves; with
# MARTLET_OFFLINE=1 for ever.
fetch_newer() {
  local name=$1 package=$2 suite=$3 kind=${4:-rivals}
  [[ $suite =~ ^[a-z][a-z-]*$ ]] || fail "\"$suite\" is no name of a Debian suite"
  local tool
  for tool in apt-get dpkg-deb; do
    command -v "$tool" >/dev/null || fail "$tool is missing: this needs a Debian or a relative of it"
  done
  home=${XDG_CACHE_HOME:-$HOME/.cache}/martlet/$kind/$name-$suite
  mkdir -p "$home"
  exec 9>"$home/lock"
  flock 9
  if is_fetched "$name" && { [[ -n ${MARTLET_OFFLINE:-} ]] || [[ -n $(find "$home/version" -mtime -1) ]]; }; then
    report "$name"
    return
  fi
  [[ -z ${MARTLET_OFFLINE:-} ]] || fail "no $name of $suite is in the cache ($home) and MARTLET_OFFLINE is set"
  work=$(mktemp -d "$home/fetch.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  write_sources "$suite"
  if ! download "$package" >"$work/log" 2>&1; then
    # Better an older one than none: offline, or the mirror is in the middle of an update.
    is_fetched "$name" || fail "could not fetch $package from $suite (offline?): $(tail -n 1 "$work/log")"
    report "$name"
    return
  fi
  unpack "$name" "$package" "$suite"
  report "$name"
}

report() {
  printf '%s\n%s\n' "$home/$1" "$(cat "$home/version")"
}

is_fetched() {
  [[ -x $home/$1 && -s $home/version ]] && answers "$home/$1" >/dev/null 2>&1
}

# An apt of our own: the machine's Debian sources with the suite's name changed, all of its files in the cache.
write_sources() {
  local suite=$1 list codename
  mkdir -p "$home/apt/lists/partial" "$work/archives/partial" "$work/sources.d"
  : >"$work/sources.list"
  : >"$work/status"
  # shellcheck disable=SC1091
  codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:?}")
  for list in /etc/apt/sources.list /etc/apt/sources.list.d/debian*; do
    [[ -f $list ]] || continue
    # Neither -updates nor -security: sid has none, and elsewhere the suite alone is enough for a rival.
    sed -E -e "/^[[:space:]]*deb(-src)?[[:space:]].*\b$codename-(updates|security|backports)\b/d" \
      -e "s/\b$codename-(updates|security|backports)\b//g; s/\b$codename\b/$suite/g" "$list" |
      awk 'BEGIN { RS = ""; ORS = "\n\n" } !/\nSuites:[ \t]*(\n|$)/' >"$work/sources.d/${list##*/}"
  done
}

private_apt() {
  apt-get -q -y -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts="$work/sources.d" \
    -o Dir::State::lists="$home/apt/lists" -o Dir::Cache="$home/apt" -o Dir::Cache::archives="$work/archives" \
    -o Dir::State::status="$work/status" -o Debug::NoLocking=1 -o APT::Sandbox::User="$(id -un)" "$@"
}

# The packages and all that they depend on: to an apt that believes nothing to be installed, that is the C library too.
download() {
  private_apt update && private_apt install --download-only --no-install-recommends "$1" ${newer_more[@]+"${newer_more[@]}"}
}

unpack() {
  local name=$1 package=$2 suite=$3 file version program loader libraries
  mkdir "$work/root"
  for file in "$work"/archives/*.deb; do
    dpkg-deb -x "$file" "$work/root" >"$work/log" 2>&1 ||
      fail "could not unpack ${file##*/}: $(tail -n 1 "$work/log")"
  done
  version=$(dpkg-deb -f "$work"/archives/"${package}"_*.deb Version)
  program=$(find "$work/root" -name "$name" -type f -perm -u+x | head -n 1)
  loader=$(find "$work/root" -name 'ld-linux*.so.*' | head -n 1)
  libraries=$(dirname "$(find "$work/root" -name 'libc.so.6' | head -n 1)")
  [[ -n $program && -n $loader ]] || fail "the packages of $suite hold no $name that could be started"
  rm -rf "$home/root"
  mv "$work/root" "$home/root"
  libraries=$home/root${libraries#"$work/root"}
  # Suites differ in where the C library lies, and the others may lie elsewhere.
  local path=$libraries others=$home/root/usr${libraries#"$home/root"}
  [[ ! -d $others ]] || path+=:$others
  newer_environment=${newer_environment//@ROOT@/$home/root}
  newer_words=${newer_words//@ROOT@/$home/root}
  cat >"$home/$name" <<WRAPPER
#!/bin/sh
# Made by fetch-$name: Debian $suite, $version.
${newer_environment//@LIBRARIES@/$libraries} exec '$home/root${loader#"$work/root"}' --library-path '$path' \\
  '$home/root${program#"$work/root"}' ${newer_words//@LIBRARIES@/$libraries} "\$@"
WRAPPER
  chmod +x "$home/$name"
  answers "$home/$name" >"$work/log" 2>&1 || fail "$name $version does not start here: $(tail -n 1 "$work/log")"
  printf '%s %s (Debian %s)\n' "$name" "$version" "$suite" >"$home/version"
}

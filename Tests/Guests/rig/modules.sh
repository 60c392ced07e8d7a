# shellcheck shell=bash
# Copyright 2026 The Martlet Authors
# SPDX-License-Identifier: Apache-2.0
#
# Kernel modules for a guest. Sourced after common.sh.

# install_modules MODULES "NAME NAME..." FOLDER LIST: puts the named modules and what they
# depend on into FOLDER, unpacked, and their names into LIST, in the order in which they load.
# MODULES is a kernel/ tree. A name without a file in it is taken as built into the kernel.
install_modules() {
  local modules=$1 names=$2 folder=$3 list=$4 name file all order
  # A kernel's own modinfo lives in sbin, which is not in every user's PATH.
  PATH=$PATH:/usr/sbin:/sbin
  local tool
  for tool in modinfo xz zstd; do
    command -v "$tool" >/dev/null || fail "no $tool (packages kmod, xz-utils, zstd)"
  done
  mkdir -p "$folder"
  all=$(mktemp) order=$(mktemp)
  find "$modules" -name '*.ko*' >"$all"
  for name in $names; do
    with_dependencies "$name" "$all"
  done | awk '!seen[$0]++' >"$order"
  : >"$list"
  while read -r file; do
    name=${file##*/}
    name=${name%.xz}
    name=${name%.zst}
    case $file in
      *.xz) xz -dc "$file" ;;
      *.zst) zstd -qdc "$file" ;;
      *) cat "$file" ;;
    esac >"$folder/$name"
    printf '%s\n' "$name" >>"$list"
  done <"$order"
  rm -f "$all" "$order"
}

# Prints the module's file after those it needs. Asking each file for its dependencies
# spares a depmod run over the tree.
with_dependencies() {
  local name=${1//[-_]/[-_]} all=$2 file needed
  file=$(grep -m 1 -E "/$name\.ko(\.xz|\.zst)?$" "$all" || true)
  [[ -n $file ]] || return 0
  for needed in $(modinfo -F depends "$file" | tr , ' '); do
    with_dependencies "$needed" "$all"
  done
  printf '%s\n' "$file"
}

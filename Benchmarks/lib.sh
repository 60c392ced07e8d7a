# Copyright 2026 The Martlet Authors
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # here and name come from the reader, and go there
#
# For Benchmarks/share and Benchmarks/volume: options, builds, rivals, and one file of results out of several runs.

results=$here/Results
minutes=20 suite=sid resume=() more=() parts=() bench=

fail() {
  printf '%s: %s\n' "$name" "$*" >&2
  exit 1
}

read_options() {
  arguments=$*
  while (($# > 0)); do
    case $1 in
      --minutes)
        (($# > 1)) || fail "--minutes needs a number"
        minutes=$2
        shift 2
        ;;
      --minutes=*) minutes=${1#*=} && shift ;;
      --suite)
        (($# > 1)) || fail "--suite needs the name of a Debian suite"
        suite=$2
        shift 2
        ;;
      --resume) resume=(--resume) && shift ;;
      --help | -h)
        sed -n '/^# '"$name"' /,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$here/$name"
        exit 0
        ;;
      *) break ;;
    esac
  done
  [[ $minutes =~ ^[1-9][0-9]{0,3}$ ]] || fail "--minutes needs a number from 1 to 9999"
  more=("$@")
  load=$(cut -d ' ' -f 1-3 /proc/loadavg)
  mkdir -p "$results"
}

# What an earlier run left would stand under this one's date and versions.
begin_anew() {
  [[ -n ${resume[*]} ]] || rm -f "$results/$name"-*.json
}

# build PRODUCT...: sets programs.
build() {
  command -v swift >/dev/null || fail "there is no swift in PATH"
  cd "$here/.." || fail "there is no $here/.."
  local scratch=${MARTLET_BUILD:-.build} product
  for product in "$@"; do
    swift build -c release --scratch-path "$scratch" --product "$product" >&2 || fail "$product could not be built"
  done
  programs=$(swift build -c release --scratch-path "$scratch" --show-bin-path)
}

# fetch NAME: sets rival and rival_version.
fetch() {
  local found
  found=$("$here/Rivals/fetch-$1" "$suite") || fail "there is no rival to compare with"
  rival=$(sed -n 1p <<<"$found")
  rival_version=$(sed -n 2p <<<"$found")
}

# run_part PART MINUTES COMMAND OPTION...: one run of martlet bench; what it writes is kept in Results.
run_part() {
  local part=$1 minutes=$2 stem=$results/$name-$1
  shift 2
  local priority=() traced=()
  # In a session of its own, because a session's tasks share what the scheduler gives it (sched_autogroup): there the
  # whole session comes first.
  # shellcheck disable=SC2016 # for the inner shell
  [[ $(id -u) != 0 ]] ||
    priority=(setsid bash -c 'echo -20 2>/dev/null >/proc/self/autogroup; exec nice -n -20 "$@"' bench)
  command -v strace >/dev/null && traced=(--syscalls)
  "${priority[@]}" "$programs/martlet" bench "$@" --minutes $((minutes > 0 ? minutes : 1)) "${traced[@]}" \
    "${resume[@]}" --json "$stem.json" --markdown "$stem.md" --plot "$stem.svg" >/dev/null &
  bench=$!
  wait "$bench"
  bench=
}

# file_system DIRECTORY: its kind. stat calls all of ext2 to ext4 by one name.
file_system() {
  findmnt -n -o FSTYPE -T "$1" || stat -f -c %T "$1"
}

head_of_results() {
  printf '%s\n\n' "$1"
  # shellcheck disable=SC2016 # Markdown's own quotes
  printf 'Made by `Benchmarks/%s%s`; the columns are explained at the end.\n\n' "$name" "${arguments:+ $arguments}"
  printf '| | |\n|---|---|\n'
  printf '| date | %s |\n' "$(date -u +%Y-%m-%d)"
  printf '| processor | %s, %s usable |\n' "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)"
  printf '| kernel | %s |\n' "$(uname -r)"
  printf '| load before and after | %s, %s |\n' "$load" "$(cut -d ' ' -f 1-3 /proc/loadavg)"
  printf '| ours | %s, %s |\n' "$("$programs/$2" --version)" \
    "$(git describe --always --dirty 2>/dev/null || echo 'no commit')"
  printf '| rival | %s |\n' "$rival_version"
  if awk -v limit="$(nproc)" '{ exit !($1 > limit + 1) }' <<<"$(cut -d ' ' -f 2 <<<"$load")"; then
    printf '\n**The machine was busy with other work**: rates and latencies are those of programs that wait for processors. '
    printf 'CPU and calls per operation are the steady figures.\n'
  fi
}

# part PART TITLE: its table and picture, if it was measured.
part() {
  local stem=$results/$name-$1
  [[ -s $stem.json ]] || return 0
  "$programs/martlet" bench report "$stem.json" --markdown "$stem.md" 2>/dev/null || return 0
  printf '\n## %s\n\n' "$2"
  [[ ! -s $stem.svg ]] || printf '![ratios and latencies](%s-%s.svg)\n\n' "$name" "$1"
  sed '/^op\/s: /,$d' "$stem.md"
  parts+=("$stem.md")
}

legend() {
  [[ -z ${parts[*]} ]] || sed -n '/^op\/s: /,$p' "${parts[0]}"
}

# Whatever ended the runs: the results say what there is.
finish() {
  local status=$?
  trap - INT TERM
  if [[ -n $bench ]]; then
    kill "$bench" 2>/dev/null || true
    wait "$bench" || true
  fi
  if [[ -z $(compgen -G "$results/$name-*.json") ]]; then
    printf '%s: nothing was measured; %s is as it was\n' "$name" "$results/$name.md" >&2
    exit "$status"
  fi
  write_results && rm -f "${parts[@]}" && printf 'written: %s\n' "$results/$name.md"
  exit "$status"
}

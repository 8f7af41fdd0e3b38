#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# For scripts of checks, which source it: chooses among them, and counts what passed, failed and was skipped.
# shellcheck disable=SC2154 # `all` and usage() are theirs

# choose ARGUMENT...: what the arguments name of `all`, or all, into `chosen`.
choose() {
  local argument
  chosen=()
  for argument; do
    if [[ $argument == --help ]]; then usage && exit 0; fi
    if [[ " ${all[*]} " != *" $argument "* ]]; then
      echo "$(basename "$0"): there is no '$argument' (see --help)" >&2
      exit 2
    fi
    chosen+=("$argument")
  done
  if [[ ${#chosen[@]} -eq 0 ]]; then chosen=("${all[@]}"); fi
}

passed=0 failed=0 skipped=0 bad=()
heading() { printf '\n== %s\n' "$*"; }

# failure NAME [WHY]: one more.
failure() {
  failed=$((failed + 1))
  bad+=("$1")
  echo "FAILED: $1${2:+ ($2)}"
}

# check NAME COMMAND...: one check.
check() {
  heading "$1"
  if "${@:2}"; then passed=$((passed + 1)); else failure "$1"; fi
}

# skip NAME WHY
skip() {
  heading "$1"
  echo "skipped: $2"
  skipped=$((skipped + 1))
}

# tests NAME COMMAND...: a command whose last line is "N passed, N failed, N skipped".
tests() {
  local name=$1 status=0 line counts=
  heading "$name"
  while IFS= read -r line || [[ -n $line ]]; do
    printf '%s\n' "$line"
    counts=$line
  done < <("${@:2}" 2>&1)
  wait "$!" || status=$?
  if [[ $counts =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
    passed=$((passed + BASH_REMATCH[1]))
    failed=$((failed + BASH_REMATCH[2]))
    skipped=$((skipped + BASH_REMATCH[3]))
    if [[ ${BASH_REMATCH[2]} -gt 0 ]]; then status=0 && bad+=("$name"); fi
  elif [[ $status == 0 ]]; then
    echo "$name has not said how many tests passed"
    status=1
  fi
  if [[ $status != 0 ]]; then failure "$name" "exit code $status"; fi # of a kind that no test has counted
}

# The last lines; the status is that of the whole.
total() {
  local name
  heading "Total"
  for name in ${bad[@]+"${bad[@]}"}; do echo "failed: $name"; done
  printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
  [[ $failed -eq 0 ]]
}

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compiles each case of lifetimes.rs: rustc must reject it with the error that the case names, and accept "accepted".
# Usage: test_lifetimes.sh RUSTC FOLDER; output of the compiler goes to FOLDER.
set -eu
export LC_ALL=C

rustc=$1
source=$(dirname "$0")/lifetimes.rs
mkdir -p "$2"
compile() {
  "$rustc" --edition 2021 --cap-lints allow --emit metadata --out-dir "$1" --cfg "case=\"$2\"" "$source" 2> "$1/errors"
}

bad=0
sed -n 's/.*#\[cfg(case = "\(.*\)")\].*/\1/p' "$source" > "$2/cases"
if ! grep -q '^accepted$' "$2/cases" || [ "$(wc -l < "$2/cases")" -le 9 ]; then
  echo "cases are missing"
  exit 1
fi
while read -r case; do
  got=accepted
  compile "$2" "$case" || got=$(sed -n 's/^error\[\(E[0-9]*\)\].*/\1/p' "$2/errors" | sort -u)
  if [ "$got" != "${case%%:*}" ]; then
    bad=1
    printf '%s: got %s\n' "$case" "$got"
    cat "$2/errors"
  fi
done < "$2/cases"
exit $bad

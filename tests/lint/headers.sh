#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Each header of user space compiles alone, and twice in one file; those of base/ also as strict
# C17. usage: headers.sh SRC COMPILER [OPTION...]

set -euo pipefail

src=$1
shift

warnings=(-Wall -Wextra -Wshadow -Wstrict-prototypes -Werror)
failed=0
n=0

# alone HEADER OPTION...: compile a file that holds nothing but the header, with $compiler.
alone() {
	local header=$1

	shift
	printf '#include "%s"\n#include "%s"\n' "$header" "$header" |
		"${compiler[@]}" "$@" -D_GNU_SOURCE "${warnings[@]}" -I "$src" \
			-fsyntax-only -x c - || {
		echo "FAIL: $header ($*)" >&2
		failed=1
	}
}

compiler=("$@")
while read -r header; do
	((++n))
	alone "$header" -std=gnu17
	case $header in
	base/*) alone "$header" -std=c17 -pedantic ;;
	esac
done < <(cd "$src" && find . -name '*.h' ! -path './bpf/*' ! -name '*.bpf.h' -printf '%P\n' | sort)

if ((n == 0)); then
	echo "FAIL: no header under $src" >&2
	exit 1
fi
echo "$n headers"
exit "$failed"

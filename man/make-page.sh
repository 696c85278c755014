#!/bin/sh
# make-page.sh PROGRAM PAGE FILE SCDOC: a man page on standard output.
set -eu
program=$1 page=$2 file=$3 scdoc=$4
text=$("$program" manpage "${page#nexcage-}" "$file")
printf '%s\n' "$text" | "$scdoc"

#!/bin/sh
# Makes the stored house of a released version: what a house of that version leaves behind after one evening, from which every later
# program must go on (upgrade.test.ts). Run it once for each release, and keep what it made for ever.
#
#   test/contract/upgrade/make.sh COMMIT    → test/contract/upgrade/<version>.tar.gz: backup/, statements/, issuer.jwks.json
#
# The released program is built beside this one and plays its own demo; its folder, as it left it and never started again, is then taken
# by this program's `lachak backup`. The keys in it are those of a made-up town.
set -eu
commit=$1
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=$(mktemp -d)
trap 'git -C "$root" worktree remove --force "$work/old"; rm -rf "$work"' EXIT
git -C "$root" worktree add --detach "$work/old" "$commit"
cp -al "$root/node_modules" "$work/old/"
(cd "$work/old" && npm run build && node dist/services/main.js demo --homes 20 --out "$work/demo")
version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' "$work/old/package.json")
mkdir "$work/kept"
node "$root/dist/services/main.js" backup "$work/kept/backup" --folder "$work/demo/house"
# Of its signed statements every fifth is enough; what they were made of is in the backup.
mkdir "$work/kept/statements"
ls "$work/demo/statements" | awk 'NR % 5 == 1' | while read -r name; do cp "$work/demo/statements/$name" "$work/kept/statements/"; done
cp "$work/demo/issuer.jwks.json" "$work/kept/"
tar -C "$work/kept" --sort=name --owner=0 --group=0 --mtime=@0 -cf - . | gzip -9n > "$here/$version.tar.gz"
# To try the way that a real upgrade takes: the same folder, on its own PostgreSQL files.
[ -z "${KEEP:-}" ] || cp -a "$work/demo/." "$KEEP/"
ls -l "$here/$version.tar.gz"

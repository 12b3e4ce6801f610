#!/usr/bin/env bash
# Build etcd, kube-apiserver and kubectl for tests, once: prints the directory that holds them, fit for KUBEBUILDER_ASSETS.
#
# The directory is named after the sources and the Go version, below ${XDG_CACHE_HOME:-~/.cache}/pilotage/apiserver,
# where the tests look for it by themselves. Cold, a build takes about 4 minutes on 2 cores; when it is there, nothing.
#
# Exit codes: 0 built, or there already
#             1 the build failed
#             3 this machine cannot build it (no Go, an old Go, modules out of reach): tests that need it skip visibly
set -euo pipefail
cd "$(dirname "$0")"

cannot() {
  echo "apiserver: NOT BUILT, tests against a real kube-apiserver, and of kubectl, will be skipped: $1" >&2
  exit 3
}
sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi }

command -v go >/dev/null || cannot "Go is not installed (1.26 or newer is needed)"
export GOTOOLCHAIN=local CGO_ENABLED=0
needed=$(awk '$1 == "go" { print $2 }' go.mod)
version=$(cd / && go env GOVERSION)
oldest=$(printf '%s\n' "$needed" "${version#go}" | sort -V | head -n 1)
[ "$oldest" = "$needed" ] || cannot "Go $needed or newer is needed, this machine has ${version#go}"

sources=$(cat main.go kubectl/main.go go.mod go.sum | sha256 | cut -c 1-16)
home="${XDG_CACHE_HOME:-$HOME/.cache}/pilotage/apiserver"
target="$home/$sources-$version"
if [ ! -x "$target/kube-apiserver" ] || [ ! -x "$target/etcd" ] || [ ! -x "$target/kubectl" ]; then
  # Listing what is imported fetches exactly the modules that the build needs.
  problem=$(go list -mod=readonly -deps ./... 2>&1 >/dev/null) || cannot "its modules cannot be fetched: ${problem##*$'\n'}"

  echo "apiserver: building kube-apiserver, etcd and kubectl into $target (about 4 minutes, once)" >&2
  release=$(awk '$1 == "k8s.io/kubernetes" { print $2 }' go.mod)
  minor=${release#v1.}
  stamp=k8s.io/component-base/version
  mkdir -p "$home"
  work=$(mktemp -d "$home/building.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  # Nobody debugs it, so it goes without symbols: 111 MB instead of 151.
  flags="-s -w -X $stamp.gitVersion=$release -X $stamp.gitMajor=1 -X $stamp.gitMinor=${minor%%.*}"
  go build -mod=readonly -trimpath -buildvcs=false -ldflags="$flags" -o "$work/controlplane" . || exit 1
  go build -mod=readonly -trimpath -buildvcs=false -ldflags="$flags" -o "$work/kubectl" ./kubectl || exit 1
  ln -s controlplane "$work/etcd"
  ln -s controlplane "$work/kube-apiserver"
  chmod 755 "$work"
  # Whoever built the same in the meantime was first: theirs is as good.
  mv -T "$work" "$target" 2>/dev/null || [ -x "$target/kube-apiserver" ] || mv "$work" "$target"
fi
echo "$target"

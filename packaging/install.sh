#!/bin/sh
# Installs plexus and wormhole from this folder, or takes them away again.
#
#   ./install.sh [--prefix FOLDER]                  /usr/local by default
#   ./install.sh --uninstall [--prefix FOLDER]      what was installed there; configuration and identities stay
#
# As root it also makes the user of the services. Without root choose a prefix of your own, such as ~/.local.
set -eu
cd "$(dirname "$0")"

prefix=/usr/local
action=install
while [ $# -gt 0 ]; do
  case $1 in
    --prefix)
      prefix=${2:?"--prefix needs a folder"}
      shift 2
      ;;
    --uninstall)
      action=uninstall
      shift
      ;;
    *)
      sed -n '2,/^$/s/^# \{0,1\}//p' "$0" >&2
      exit 64
      ;;
  esac
done
case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac
list=$prefix/share/doc/plexus/installed-files

reload_services() {
  [ "$(id -u)" -eq 0 ] && [ -d /run/systemd/system ] || return 0
  systemctl daemon-reload
}

if [ $action = uninstall ]; then
  [ -r "$list" ] || {
    echo "install.sh: nothing of plexus is installed in $prefix; name the folder with --prefix" >&2
    exit 66
  }
  while read -r file; do rm -f "$prefix/$file"; done <"$list"
  rm -f "$list"
  # Folders that are empty now, deepest first; those that others use are not.
  for folder in share/doc/plexus/examples share/doc/plexus lib/systemd/system lib/systemd lib/sysusers.d \
    share/bash-completion/completions share/bash-completion share/zsh/site-functions share/zsh \
    share/fish/vendor_completions.d share/fish share/man/man1 share/man share/doc share lib bin; do
    rmdir "$prefix/$folder" 2>/dev/null || :
  done
  reload_services
  exit 0
fi

missing=$(ldd files/bin/plexus | sed -n 's/ => not found//p' | tr -d '\t')
[ -z "$missing" ] || {
  echo "install.sh: this system has no" $missing"; install Debian's libopendht2, libssl3, libminiupnpc17 and libnatpmp1, or what your system calls them" >&2
  exit 69
}
mkdir -p "$prefix"
(cd files && find . -type f | sed 's|^\./||' | sort) | while read -r file; do
  mkdir -p "$prefix/$(dirname "$file")"
  # In place of what may be running.
  rm -f "$prefix/$file"
  case $file in
    *.service) sed "s|@bindir@|$prefix/bin|" "files/$file" >"$prefix/$file" ;;
    *) cp "files/$file" "$prefix/$file" ;;
  esac
  echo "$file"
done >"$prefix/.plexus-installed"
mv "$prefix/.plexus-installed" "$list"

if [ "$(id -u)" -eq 0 ]; then
  if command -v systemd-sysusers >/dev/null; then
    systemd-sysusers "$prefix/lib/sysusers.d/plexus.conf"
    [ -d /var/lib/plexus ] || install -d -o plexus -g plexus -m 0700 /var/lib/plexus
  fi
  mkdir -p /etc/plexus
fi
reload_services
echo "installed in $prefix; $prefix/share/doc/plexus/services.md tells about the services"

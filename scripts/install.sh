#!/usr/bin/env bash
# Install Majolica, editable, with EXTRAS into the virtual environment VENV (made where it is missing).
#   scripts/install.sh VENV EXTRAS          e.g. scripts/install.sh .venv demo,dev
# uv is used where it is found, else venv and pip. PYTHON names another interpreter than python3.
# On Linux without a GPU it takes PyTorch's CPU build, a tenth of the download (docs/adr/003-install.md);
# MAJOLICA_TORCH=default leaves the choice to the package index.
set -euo pipefail

venv=$1
extras=$2
cpu_index=https://download.pytorch.org/whl/cpu

new_enough() {
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
  for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
    if new_enough "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  echo "scripts/install.sh: Python 3.11 or newer is needed: install it, set PYTHON, or install uv" >&2
  exit 2
}

make_venv() {
  if [ -x "$venv/bin/python" ]; then return; fi
  if command -v uv >/dev/null; then
    uv venv --quiet --python "${PYTHON:->=3.11}" "$venv"
    return
  fi
  python=$(find_python)
  if ! "$python" -m venv "$venv"; then
    echo "scripts/install.sh: $python cannot make virtual environments: install python3-venv, or uv" >&2
    exit 2
  fi
}

wants_cpu_torch() {
  [ "${MAJOLICA_TORCH:-cpu}" != default ] || return 1
  [ "$(uname -s)" = Linux ] || return 1  # elsewhere the usual build is the small one
  [ ! -e /dev/nvidiactl ] && [ ! -e /dev/kfd ] || return 1
  if "$venv/bin/python" -c 'import torch' 2>/dev/null; then return 1; fi
  "$venv/bin/python" - "$cpu_index/torch/" <<'PYTHON' 2>/dev/null
import sys, urllib.request
urllib.request.urlopen(sys.argv[1], timeout=5).close()
PYTHON
}

make_venv
if wants_cpu_torch; then cpu=yes; else cpu=no; fi
if command -v uv >/dev/null; then
  # uv reads no PIP_ variables: hand on a folder of wheels where one is set.
  export UV_FIND_LINKS="${UV_FIND_LINKS:-${PIP_FIND_LINKS:-}}"
  if [ "$cpu" = yes ]; then export UV_TORCH_BACKEND=cpu; fi
  uv pip install --quiet --python "$venv/bin/python" --editable ".[$extras]"
elif [ "$cpu" = yes ]; then
  "$venv/bin/python" -m pip install --quiet --extra-index-url "$cpu_index" --editable ".[$extras]"
else
  "$venv/bin/python" -m pip install --quiet --editable ".[$extras]"
fi

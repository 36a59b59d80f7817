#!/bin/sh
# Makes .venv and installs one requirements file into it:  sh requirements/install.sh FILE
#
#   PYTHON=       the interpreter to use; found when not given
#   TORCH_INDEX=  the package index to take torch from, e.g. https://download.pytorch.org/whl/cpu
#
# .venv/installed-NAME holds the text that was installed: while the files still say the same, there is nothing to do.
# .venv/unfinished stands while an installation runs, so that one cut short is started over. Two at once take turns.
set -eu
cd "$(dirname "$0")/.."

file=$1
stamp=.venv/installed-$(basename "$file" .txt)
log=.venv/install.log
wanted='Python 3.11, 3.12 or 3.13'
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

fail() {
    printf 'interpedia: %s\n' "$1" >&2
    exit 1
}

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

is_wanted() { case $1 in 3.11 | 3.12 | 3.13) ;; *) return 1 ;; esac; }

can_make_environments() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

fail_without_ensurepip() {
    fail "Python $2 ($1) lacks ensurepip, so it cannot make .venv. On Debian or Ubuntu: apt-get install python$2-venv"
}

# Sets $python and $version from PYTHON=.
take_named_python() {
    python=$PYTHON
    version=$(version_of "$python") || fail "PYTHON=$python does not run; $wanted is needed."
    is_wanted "$version" || fail "PYTHON=$python is Python $version; $wanted is needed."
    can_make_environments "$python" || fail_without_ensurepip "$python" "$version"
}

# Sets $python and $version to the first that will do. The machine's own choice, python3, is asked first.
find_python() {
    other='' bare=''
    for python in python3 python3.13 python3.12 python3.11; do
        version=$(version_of "$python") || continue
        if ! is_wanted "$version"; then
            other=$version
        elif can_make_environments "$python"; then
            return
        elif [ -z "$bare" ]; then
            bare=$(command -v "$python") bare_version=$version
        fi
    done
    [ -z "$bare" ] || fail_without_ensurepip "$bare" "$bare_version"
    [ -z "$other" ] || fail "$wanted is needed, and only Python $other was found. Name another with PYTHON=/path/to/python."
    fail "$wanted is needed, and no Python was found. On Debian or Ubuntu: apt-get install python3 python3-venv"
}

# A .venv is kept when its last installation ended well, its interpreter still runs, and PYTHON= does not ask for another.
can_keep_environment() {
    [ ! -e .venv/unfinished ] || return 1
    kept=$(version_of .venv/bin/python) && is_wanted "$kept" || return 1
    [ -z "${PYTHON:-}" ] || [ "$(version_of "$PYTHON")" = "$kept" ]
}

make_environment() {
    if [ -n "${PYTHON:-}" ]; then take_named_python; else find_python; fi
    echo "Making .venv with Python $version ($(command -v "$python"))"
    reason=$("$python" -m venv --clear .venv 2>&1) ||
        fail "could not make .venv in $(pwd): $(echo "$reason" | tail -n 1)"
}

# A requirements file and those it includes.
text_of() {
    cat "$1"
    sed -n 's/^-r *//p' "$1" | while read -r included; do text_of "$(dirname "$1")/$included"; done
}

# Of all that pip says, the steps that take long: large downloads, and the installation itself.
show_steps() {
    tee -a "$log" | while read -r line; do
        case $line in
        Downloading*" ("[0-9][0-9]*" MB)"*)
            archive=$(basename "${line#Downloading }")
            echo "  downloading ${archive%%-[0-9]*} (${line##*\(}"
            ;;
        "Installing collected packages:"*)
            echo "  unpacking $(echo "$line" | tr -dc , | wc -c | awk '{print $1 + 1}') packages"
            ;;
        esac
    done
}

# One line on why pip gave up.
reason_of_failure() {
    if grep -qiE 'no space left|disk quota' "$log"; then
        echo "the disk is full"
    elif grep -qE 'Retrying \(|Could not fetch URL|ConnectionError|Timeout' "$log"; then
        echo "no answer from the package index; check the network, HTTPS_PROXY and pip's index (PIP_INDEX_URL)"
    else
        grep -E '^ *(ERROR|error):' "$log" | tail -n 1
    fi
}

# Held until this process and its children end, even by kill -9. A system without flock goes without.
wait_for_turn() {
    command -v flock >/dev/null || return 0
    exec 9<requirements/install.sh
    flock -n 9 || { echo "Waiting for another installation to end" && flock 9; }
}

pip_install() {
    rm -f .venv/pip-succeeded
    { .venv/bin/python -m pip install "$@" 2>&1 && : >.venv/pip-succeeded; } | show_steps
    [ -e .venv/pip-succeeded ] || fail "installing failed: $(reason_of_failure). pip's own words: $log"
}

wait_for_turn
text=$(text_of "$file")
if can_keep_environment; then
    [ "$(cat "$stamp" 2>/dev/null)" != "$text" ] || exit 0
    [ -w .venv ] || fail "$(pwd)/.venv is out of date and belongs to another user."
else
    make_environment
fi

echo "Installing $file (the first time takes some minutes)"
: >.venv/unfinished
: >"$log"
if [ -n "${TORCH_INDEX:-}" ]; then
    pip_install --index-url "$TORCH_INDEX" "$(sed -n 's/^\(torch==[^ ]*\).*/\1/p' requirements/engine.txt)"
fi
pip_install -r "$file"
printf '%s\n' "$text" >"$stamp"
rm .venv/unfinished .venv/pip-succeeded

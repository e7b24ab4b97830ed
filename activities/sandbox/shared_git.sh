#!/bin/sh
# Stands before git in a checkout that agents share. Words in @…@ are filled in by shared_git.py.
real=@REAL@
name=${0##*/}
case $name in git-*) set -- "${name#git-}" "$@" ;; esac

# What git itself calls was let through, or refused, when git was called.
if read -r parent < "/proc/$PPID/comm" 2>/dev/null && [ "$parent" = git ]; then exec "$real" "$@"; fi

# The command, and how many options of git's own stand before it.
before=0 value= word=
for argument in "$@"; do
    if [ -n "$value" ]; then
        value=
    else
        case $argument in
            -C | -c | --git-dir | --work-tree | --namespace | --super-prefix | --config-env | --attr-source) value=1 ;;
            -*) ;;
            *) word=$argument; break ;;
        esac
    fi
    before=$((before + 1))
done

# Asks git something about the same repository: with the same options before other words.
ask() {
    question=$1 kept=0
    shift
    total=$#
    while [ "$total" -gt 0 ]; do
        if [ "$kept" -lt "$before" ]; then set -- "$@" "$1"; fi
        shift
        kept=$((kept + 1)) total=$((total - 1))
    done
    "$real" "$@" $question 2>/dev/null
}

# Whether the command, with these arguments, only looks.
looks() {
    shift "$((before + 1))"
    first=${1-} alone=
    case $first in --help) return 0 ;; esac
    if [ "$#" = 1 ] && [ "$first" = -h ]; then return 0; fi
    case $word in
@LOOKS@
    esac
    [ -n "$alone" ]
}

case $word in
    @CHANGING@) ;;
    "" | @KNOWN@) exec "$real" "$@" ;;
    *)
        alias=$(ask "config --get alias.$word" "$@")
        case ${alias%% *} in
            @CHANGING@) word=${alias%% *} ;;
            *) exec "$real" "$@" ;;
        esac
        ;;
esac
if looks "$@"; then exec "$real" "$@"; fi

# Another repository is nobody's business: tests make and change their own.
case $word in
    @OF_ALL@) which=--git-common-dir ;;
    *) which=--absolute-git-dir ;;
esac
folder=$(ask "rev-parse --path-format=absolute $which" "$@") || exec "$real" "$@"
case $folder in
    @FOLDER@ | @COMMON@ | @COMMON@/modules/*) ;;
    *) exec "$real" "$@" ;;
esac
case $word in
@WHY@
esac
echo "tenuto: git $word: $why" >&2
exit 128

"""Programs by what rules have to know of them."""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


KEYWORDS = _names("if then elif else fi for while until do done case esac select function in { } ! [[ ]]")
"""The shell's own; none of them is ever the name of a program."""

SHELLS = _names("sh bash dash zsh ksh mksh ash rbash")
"""Take a text to run after `-c`."""

RUNNERS = _names(
    """
    sudo doas su runuser setsid ionice chrt taskset watch flock chroot unshare nsenter strace ltrace script busybox
    toybox coproc builtin parallel unbuffer fakeroot firejail systemd-run xvfb-run torify proxychains caffeinate numactl
    setpriv cpulimit entr setarch faketime gdb valgrind fish docker podman ssh nix nix-shell direnv mise devbox
    npx bunx uvx pipx poetry uv pipenv pdm hatch rye pnpm yarn npm bundle
    """
)
"""May run their arguments as a command, among other things."""

READERS = _names(
    """
    cat head tail less more sed awk gawk mawk grep egrep fgrep rg ag cp mv ln dd od xxd hexdump strings base64 base32
    cut sort uniq wc tac nl rev fold fmt paste join comm tee diff cmp jq yq tar zip gzip zcat bzip2 xz zstd curl wget
    scp rsync vim vi nano bat md5sum sha1sum sha256sum sha512sum openssl gpg git source . install split csplit column
    pr iconv envsubst
    """
)
"""Show or copy the files they name."""

WRITERS = _names(
    """
    rm mv cp tee touch sed install ln truncate dd chmod chown rmdir mkdir patch rsync unlink shred vim vi nano perl
    """
)
"""Change the files they name."""

GIT_LEAVES_ALONE = _names(
    """
    annotate archive blame bugreport bundle cat-file check-attr check-ignore check-mailmap check-ref-format cherry clone
    column commit-graph commit-tree config count-objects credential describe diagnose diff diff-files diff-index
    diff-tree difftool fast-export fetch-pack fmt-merge-msg for-each-ref format-patch fsck get-tar-commit-id grep
    hash-object help index-pack init instaweb interpret-trailers last-modified log ls-files ls-remote ls-tree mailinfo
    mailsplit merge-base merge-file merge-tree mktag mktree multi-pack-index name-rev notes pack-objects pack-refs
    patch-id push range-diff receive-pack remote repo request-pull rerere rev-list rev-parse send-email send-pack
    shortlog show show-branch show-index show-ref status stripspace tag unpack-file unpack-objects update-server-info
    upload-pack var verify-commit verify-pack verify-tag version whatchanged write-tree
    """
)
"""Git's own commands that leave files, index, stash and HEAD of a checkout alone."""

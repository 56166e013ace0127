# What a secret looks like, wherever it stands: sed -E over every text but sysfs's, before anything leaves the host.
# Each line replaces the secret alone by HIDDEN, a plain word, so that the text still means what it meant. Lines come
# as grep prints them, path:text, and a path must not be taken for a name: no name follows a slash.
# NAME=VALUE in quotes or not; NAME: VALUE; "NAME":"VALUE"
s~(^|[^/A-Za-z0-9_.-])([A-Za-z0-9_.-]*(password|passwd|passphrase|psk|secret|token|api[_-]?key|private[_-]?key|wep[_-]key|credential)[A-Za-z0-9_.-]*["'})]*[[:space:]]*[:+]?==?[[:space:]]*")[^"]*"~\1\2HIDDEN"~gI
s~(^|[^/A-Za-z0-9_.-])([A-Za-z0-9_.-]*(password|passwd|passphrase|psk|secret|token|api[_-]?key|private[_-]?key|wep[_-]key|credential)[A-Za-z0-9_.-]*["'})]*[[:space:]]*[:+]?==?[[:space:]]*')[^']*'~\1\2HIDDEN'~gI
s~(^|[^/A-Za-z0-9_.-])([A-Za-z0-9_.-]*(password|passwd|passphrase|psk|secret|token|api[_-]?key|private[_-]?key|wep[_-]key|credential)[A-Za-z0-9_.-]*["'})]*[[:space:]]*[:+]?==?[[:space:]]*)[^]"'[:space:],;&|)}<>]+~\1\2HIDDEN~gI
s~(^|[^/A-Za-z0-9_.-])([A-Za-z0-9_.-]*(password|passwd|passphrase|psk|secret|token|api[_-]?key|private[_-]?key|wep[_-]key|credential)[A-Za-z0-9_.-]*["'})]*[[:space:]]*:[[:space:]]+")[^"]*"~\1\2HIDDEN"~gI
s~(^|[^/A-Za-z0-9_.-])([A-Za-z0-9_.-]*(password|passwd|passphrase|psk|secret|token|api[_-]?key|private[_-]?key|wep[_-]key|credential)[A-Za-z0-9_.-]*["'})]*[[:space:]]*:[[:space:]]+')[^']*'~\1\2HIDDEN'~gI
s~(^|[^/A-Za-z0-9_.-])([A-Za-z0-9_.-]*(password|passwd|passphrase|psk|secret|token|api[_-]?key|private[_-]?key|wep[_-]key|credential)[A-Za-z0-9_.-]*["'})]*[[:space:]]*:[[:space:]]+)[^]"'[:space:],;&|)}<>]+~\1\2HIDDEN~gI
s~((")[A-Za-z0-9_.-]*(password|passwd|passphrase|psk|secret|token|api[_-]?key|private[_-]?key|wep[_-]key|credential)[A-Za-z0-9_.-]*":")[^"]*"~\1HIDDEN"~gI
# <NAME>VALUE</NAME>, --NAME VALUE
s~(<[a-z:]*(password|passwd|passphrase|secret|token)[^<>]*>)[^<>]+~\1HIDDEN~gI
s~(--?(password|passwd|passphrase|psk|secret|token)[a-z-]*[[:space:]]+)[^[:space:]"'-][^[:space:]"']*~\1HIDDEN~gI
# scheme://USER:VALUE@, dracut's iscsi:USER:VALUE@, curl -u USER:VALUE, Authorization: KIND VALUE
s~((://|iscsi:)[^]"'[:space:]/:@]*:)[^]"'[:space:]@]+@~\1HIDDEN@~g
s~([[:space:]](-u|--user)[[:space:]=]*["']?[^]"'[:space:]:]+:)[^]"'[:space:]]+~\1HIDDEN~g
s~(authorization["']?[[:space:]]*[:=][[:space:]]*[a-z]+[[:space:]]+)[^]"'[:space:],]+~\1HIDDEN~gI
# programs that take one as a plain word
s~(sshpass[[:space:]]+-p[[:space:]]*|wpa_passphrase[[:space:]]+[^[:space:]]+[[:space:]]+)[^[:space:]]+~\1HIDDEN~g
# GRUB's own passwords, crypt(5) hashes, and lines of base64 as keys are kept in
s~((^|[:[:space:]])password(_pbkdf2)?[[:space:]]+[^[:space:]=]+[[:space:]]+)[^[:space:]]+~\1HIDDEN~g
s~grub[.]pbkdf2[.][A-Za-z0-9.]+~grub.pbkdf2.HIDDEN~g
s~[$](1|2[aby]|5|6|7|y|gy)[$][./A-Za-z0-9$=,]{12,}~HIDDEN~g
s~(^|:)[A-Za-z0-9+/]{60,}={0,2}$~\1HIDDEN~g

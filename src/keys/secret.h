/* A secret in memory: passphrase, PIN, symmetric key.  It lies on pages of its own that are locked (as far as
 * RLIMIT_MEMLOCK allows), left out of core dumps and of children, and wiped when freed.  There is no way to print one. */
#ifndef KITH_KEYS_SECRET_H
#define KITH_KEYS_SECRET_H

#include "core/err.h"
#include "core/slice.h"

struct secret;

#define SECRET_FILE_MAX 4096

/* n zero bytes, to be filled through secret_bytes(). */
MUST_USE bool secret_new(size_t n, struct secret **out, struct err *e);
void secret_free(struct secret *s);
AUTO_FREE_FN(struct secret *, secret_free);

struct slice secret_get0(const struct secret *s);
uint8_t *secret_bytes(struct secret *s);
bool secret_eq(const struct secret *a, struct slice b); /* in constant time */

/* Reads a passphrase or PIN file: a regular file of 1 to SECRET_FILE_MAX bytes that group and others cannot read; one
 * newline at the end (LF or CRLF) is taken off.  "credential:NAME" means $CREDENTIALS_DIRECTORY/NAME (systemd.exec(5)), where
 * the group's bit is systemd's access control list and is let pass.
 * Errors: io, notfound, policy (ERR_SECRET_FILE). */
MUST_USE bool secret_read_file(const char *path, struct secret **out, struct err *e);
/* Where that file is.  Errors: not-found, limit. */
MUST_USE bool secret_file_path(const char *path, char *out, size_t cap, struct err *e);

/* The process can no longer be dumped to a file or traced by its own user: PR_SET_DUMPABLE 0, RLIMIT_CORE 0. */
MUST_USE bool secret_harden_process(struct err *e);

#endif

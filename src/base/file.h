/* Files the way a trust platform needs them: bounded reading, all-or-nothing writing, private by default. */
#ifndef KITH_BASE_FILE_H
#define KITH_BASE_FILE_H

#include <sys/stat.h>

#include "base/buf.h"

/* Reads a whole regular file behind what `out` holds.  Errors: not-found, io, too-big. */
MUST_USE bool file_read(const char *path, size_t max, struct buf *out, struct err *e);
/* The same for secrets: refuses a file that others can read or write, or that another user but root owns. */
MUST_USE bool file_read_private(const char *path, size_t max, struct buf *out, struct err *e);
/* The same for what may be public, but decides what we do: others must not be able to write it. */
MUST_USE bool file_read_trusted(const char *path, size_t max, struct buf *out, struct err *e);
/* Temporary file beside it, fsync, rename, fsync of the directory: after a crash there is the old file or the new one. */
MUST_USE bool file_write_atomic(const char *path, mode_t mode, struct slice s, struct err *e);
/* The same, but refuses to replace what exists (conflict). */
MUST_USE bool file_write_new(const char *path, mode_t mode, struct slice s, struct err *e);
/* A directory of mode 0700; one that exists must be private and ours.  Parents must exist. */
MUST_USE bool file_mkdir_private(const char *path, struct err *e);
/* Errors: file-mode (what is wrong, and the chmod that mends it). */
MUST_USE bool file_check_private(const char *path, struct err *e);
/* The same for a file that is open: what fstat() said of it, and which rights nobody but its owner may have (077). */
MUST_USE bool file_check_private_stat(const char *path, const struct stat *st, mode_t rights, struct err *e);
/* One that is public, but decides what we do: ours or root's, for nobody else to write, and readable.  Errors: file-mode, io,
 * setup (missing, or something else than was thought). */
MUST_USE bool file_check_trusted(const char *path, bool dir, struct err *e);
/* Is it there, and a directory or a regular file?  Errors: setup, io. */
MUST_USE bool file_check_kind(const char *path, bool dir, struct stat *st, struct err *e);
/* May a file get this name?  What is no regular file (a device, a pipe, a directory, also behind a link) would be gone, or
 * nobody would read what is written.  Errors: conflict. */
MUST_USE bool file_may_replace(const char *path, struct err *e);
bool file_exists(const char *path);
MUST_USE bool file_remove(const char *path, struct err *e); /* a missing one is fine; syncs the directory */
/* What a write left in a directory because it was killed: FILE_TMP_MARK and six characters behind the name of the file, which is
 * `of`; NULL: of any.  A missing directory is fine. */
#define FILE_TMP_MARK ".tmp-"
MUST_USE bool file_remove_leftovers(const char *dir, const char *of, struct err *e);
MUST_USE bool file_sync_dir_of(const char *path, struct err *e);

/* Takes an exclusive lock that dies with the process; the file then holds our pid.  Errors: locked (with the holder). */
MUST_USE bool file_lock(const char *path, int *fd, struct err *e);
MUST_USE bool file_write_all(int fd, struct slice s, struct err *e);
void file_close(int *fd); /* for AUTO(file_close); -1 is fine, and what it becomes */

#endif

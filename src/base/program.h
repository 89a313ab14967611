/* The programs of this installation: which version they are of, and where the others are. */
#ifndef KITH_BASE_PROGRAM_H
#define KITH_BASE_PROGRAM_H

#include "base/arena.h"

#define KITH_VERSION "0.1.0"

/* The directory of our own executable, in the arena.  Errors: io. */
MUST_USE bool program_dir(struct arena *a, const char **out, struct err *e);
/* Finds one program in `libexec` if that is given, else beside our own executable, else in ../libexec/kith of that.
 * Errors: program (where it was looked for), file-mode (others could replace it). */
MUST_USE bool program_find(const char *libexec, const char *name, struct arena *a, const char **out, struct err *e);

#endif

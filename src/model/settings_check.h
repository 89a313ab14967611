/* What is wrong with a platform's settings beyond a single word (that settings_read() says): values that do not go together, or
 * no longer with what `kith init` made; and files that others could read or change.  Looks, changes nothing, opens no key. */
#ifndef KITH_MODEL_SETTINGS_CHECK_H
#define KITH_MODEL_SETTINGS_CHECK_H

#include "model/settings.h"

/* One problem; it begins with the file and the line where there is one. */
typedef void settings_found(void *ctx, const struct err *problem);

/* All values, each problem to `found`.  Returns how many there were. */
size_t settings_check(const struct settings *s, struct arena *a, settings_found *found, void *ctx);
/* All files and directories that hold secrets; those that are not there are none of its business. */
size_t settings_check_private(const struct settings *s, struct arena *a, settings_found *found, void *ctx);

/* Room for the database and the signers' journals: a batch of commits, and what says that it is full.  What cannot be looked at has room.
 * Errors: ERR_STORE_FULL, which names the part, not its place. */
MUST_USE bool settings_check_room(const struct settings *s, struct arena *a, struct err *e);

/* settings_read() and settings_check(): how each process of a platform gets them.  Errors: the first problem. */
MUST_USE bool settings_load(const char *path, struct arena *a, struct settings *out, struct err *e);
/* The same of what is to be written there. */
MUST_USE bool settings_would_load(const char *path, struct slice text, struct arena *a, struct err *e);
/* The first problem of settings_check_private(). */
MUST_USE bool settings_are_private(const struct settings *s, struct arena *a, struct err *e);
/* Puts "kith.conf:LINE" before what *e says.  Always false. */
bool settings_blame(const struct settings *s, const char *section, const char *name, struct err *e);

#endif

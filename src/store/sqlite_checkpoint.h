/* Carries the pages of a write-ahead log into the database's file (SQLite's "checkpoint"), which means to write each where it
 * belongs and to sync: seconds for pages all over a large file.  So a thread of its own does that, on a connection of its own,
 * while the writer goes on; the little that was added meanwhile the writer carries over itself, and the log starts anew.
 * A crash at any time loses nothing: the log is only started anew when all of it is in the file and synced.
 * Internal to src/store. */
#ifndef KITH_STORE_SQLITE_CHECKPOINT_H
#define KITH_STORE_SQLITE_CHECKPOINT_H

#include <sqlite3.h>

#include "core/err.h"

struct checkpointer;

/* For the writer's connection, in WAL mode, which it watches from now on; begins when the log has long_pages. */
MUST_USE bool checkpointer_new(sqlite3 *writer, const char *path, int long_pages, struct checkpointer **out,
                               struct err *e);
void checkpointer_free(struct checkpointer *c); /* before the writer is closed */

#endif

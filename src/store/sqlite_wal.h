/* SQLite's files as the system has them, but for the write-ahead log: SQLite writes each page of it in two calls, and here what
 * stands in a row is written at once.  All is in the file before SQLite syncs it, and with synchronous=FULL it does that before
 * anybody is shown a commit.  With cache_spill=OFF it writes within a commit only, so that nothing is left here when the
 * transaction is over and another process may write the same place.  This is for connections with both settings only.
 * Internal to src/store. */
#ifndef KITH_STORE_SQLITE_WAL_H
#define KITH_STORE_SQLITE_WAL_H

/* The name for sqlite3_open_v2(); NULL (the system's own) if memory is short. */
const char *sqlite_wal_vfs(void);

#endif

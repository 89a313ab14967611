/* SQLite's page cache, but for one thing: dropping the pages behind the end of the database, which it is asked at each commit,
 * costs nothing when there are none.  SQLite's own looks through the whole cache for them once a B-tree was balanced, since
 * that gives a page the number of the locked page (262145) for a moment: 150 us a commit with 32 MB.  Internal to src/store. */
#ifndef KITH_STORE_SQLITE_PAGES_H
#define KITH_STORE_SQLITE_PAGES_H

/* Once in a process, before its first connection; without effect if somebody else uses SQLite already. */
void sqlite_pages_install(void);

#endif

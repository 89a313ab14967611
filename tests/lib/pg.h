/* A private PostgreSQL for a test: a cluster in a directory of its own, on a Unix socket there, ended by its process id.
 * Started as root, it runs as the user postgres.  fsync is as PostgreSQL has it. */
#ifndef KITH_TESTS_LIB_PG_H
#define KITH_TESTS_LIB_PG_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct pg_cluster {
    char dir[64];
    char bin[128];
    pid_t pid; /* 0: not running */
};

bool pg_installed(void);
bool pg_init(struct pg_cluster *pg); /* makes the cluster, does not start it */
bool pg_start(struct pg_cluster *pg);
void pg_stop(struct pg_cluster *pg);  /* fast shutdown */
void pg_crash(struct pg_cluster *pg); /* immediate shutdown: recovery at the next start */
void pg_remove(struct pg_cluster *pg);
/* Makes a database and writes its connection string. */
bool pg_new_database(struct pg_cluster *pg, const char *name, char *where, size_t cap);
/* Runs SQL as the administrator in the maintenance database. */
bool pg_admin(struct pg_cluster *pg, const char *sql);

#endif

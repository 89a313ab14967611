/* An installation made of fakes, and a kithd that runs it.  What is started is ended by fixture_clear(), by its number. */
#ifndef KITH_TESTS_SUPERVISOR_FIXTURE_H
#define KITH_TESTS_SUPERVISOR_FIXTURE_H

#include "../test.h"

#include <sys/types.h>

struct fixture {
    char dir[64]; /* kith.conf and all else; dir/libexec has the fakes, dir/log kithd's stderr */
    pid_t kithd;
};

/* From the command line of the test: kithd and the fake, whose paths may be relative. */
void fixture_programs(int argc, char **argv);
void fixture_init(struct fixture *f);
void fixture_clear(struct fixture *f);
const char *fixture_path(const struct fixture *f, const char *name); /* one of four static texts */
void fixture_write(const struct fixture *f, const char *name, mode_t mode, const char *text);
const char *fixture_read(const struct fixture *f, const char *name); /* static; "" if there is none */

/* Starts kithd with up to three further arguments and, before them, one assignment for its environment or NULL. */
pid_t fixture_spawn(struct fixture *f, const char *env, const char *a1, const char *a2);
int fixture_wait(pid_t pid, int timeout_ms); /* exit status, -signal, or -1000 for a timeout */

/* How often `what` happened to `who`, the n-th time of it (from 0; -1 if not yet) and its number. */
int fixture_count(const struct fixture *f, const char *what, const char *who);
long long fixture_at(const struct fixture *f, const char *what, const char *who, int n, long *number);
/* Waits until it happened n times; fails the test after some seconds. */
void fixture_until(const struct fixture *f, const char *what, const char *who, int n);
bool fixture_until_log(const struct fixture *f, const char *text);
bool fixture_is_gone(pid_t pid); /* waits a little for it */

#endif

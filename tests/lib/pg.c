#include "pg.h"

#include <errno.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_TRIES 300
#define START_MS    50

static bool find_bin(char *bin, size_t cap)
{
    glob_t g;
    bool found = glob("/usr/lib/postgresql/*/bin/postgres", 0, NULL, &g) == 0 && g.gl_pathc > 0;
    if (found)
        snprintf(bin, cap, "%.*s", (int)(strrchr(g.gl_pathv[0], '/') - g.gl_pathv[0]), g.gl_pathv[0]);
    globfree(&g);
    return found;
}

bool pg_installed(void)
{
    char bin[128];
    bool is = find_bin(bin, sizeof bin) && (geteuid() != 0 || getpwnam("postgres"));
    if (!is)
        fprintf(stderr, "PostgreSQL is not installed; ./dev test installs what packages.txt lists\n");
    return is;
}

/* Runs a program of PostgreSQL's, as postgres if we are root; it dies with us, and says nothing but to dir/log. */
static pid_t spawn(const struct pg_cluster *pg, const char *program, char *const argv[])
{
    char path[256], log[128];
    pid_t parent = getpid(), pid;
    struct passwd *pw = geteuid() == 0 ? getpwnam("postgres") : NULL;
    snprintf(path, sizeof path, "%s/%s", pg->bin, program);
    snprintf(log, sizeof log, "%s/log", pg->dir);
    pid = fork();
    if (pid != 0)
        return pid;
    if (pw && (setgroups(0, NULL) != 0 || setgid(pw->pw_gid) != 0 || setuid(pw->pw_uid) != 0))
        _exit(126);
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (getppid() != parent || chdir(pg->dir) != 0 || !freopen(log, "a", stderr))
        _exit(126);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    execv(path, argv);
    _exit(127);
}

bool pg_init(struct pg_cluster *pg)
{
    *pg = (struct pg_cluster){0};
    snprintf(pg->dir, sizeof pg->dir, "/tmp/kith-pg-XXXXXX");
    if (!find_bin(pg->bin, sizeof pg->bin) || !mkdtemp(pg->dir))
        return false;
    struct passwd *pw = geteuid() == 0 ? getpwnam("postgres") : NULL;
    if (pw && chown(pg->dir, pw->pw_uid, pw->pw_gid) != 0)
        return false;
    char *argv[] = {"initdb", "-D", "data", "-U", "kith", "-A", "trust", "-E", "UTF8", "--locale=C", "-N", NULL};
    pid_t pid = spawn(pg, "initdb", argv);
    int status;
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void where_of(const struct pg_cluster *pg, const char *name, char *where, size_t cap)
{
    snprintf(where, cap, "postgresql:///%s?host=%s&user=kith", name, pg->dir);
}

bool pg_start(struct pg_cluster *pg)
{
    char where[256];
    char *argv[] = {"postgres", "-D", "data", "-k", pg->dir, "-c", "listen_addresses=", NULL};
    where_of(pg, "postgres", where, sizeof where);
    pg->pid = spawn(pg, "postgres", argv);
    for (int i = 0; pg->pid > 0 && i < START_TRIES; i++) {
        if (PQping(where) == PQPING_OK)
            return true;
        usleep(START_MS * 1000);
    }
    return false;
}

static void end(struct pg_cluster *pg, int sig)
{
    if (pg->pid > 0) {
        kill(pg->pid, sig);
        waitpid(pg->pid, NULL, 0);
    }
    pg->pid = 0;
}

void pg_stop(struct pg_cluster *pg)
{
    end(pg, SIGINT);
}

void pg_crash(struct pg_cluster *pg)
{
    end(pg, SIGQUIT);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

void pg_remove(struct pg_cluster *pg)
{
    pg_stop(pg);
    if (strncmp(pg->dir, "/tmp/kith-pg-", 13) == 0)
        nftw(pg->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

bool pg_admin(struct pg_cluster *pg, const char *sql)
{
    char where[256];
    where_of(pg, "postgres", where, sizeof where);
    PGconn *conn = PQconnectdb(where);
    PGresult *res = PQexec(conn, sql);
    bool ok = PQresultStatus(res) == PGRES_COMMAND_OK || PQresultStatus(res) == PGRES_TUPLES_OK;
    if (!ok)
        fprintf(stderr, "%s: %s", sql, PQerrorMessage(conn));
    PQclear(res);
    PQfinish(conn);
    return ok;
}

bool pg_new_database(struct pg_cluster *pg, const char *name, char *where, size_t cap)
{
    char sql[128];
    snprintf(sql, sizeof sql, "CREATE DATABASE %s", name);
    where_of(pg, name, where, cap);
    return pg_admin(pg, sql);
}

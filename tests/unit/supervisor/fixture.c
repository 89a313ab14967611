#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE 400 /* times 20 ms */

static char kithd[PATH_MAX], fake[PATH_MAX];

static const char conf[] = "[platform]\nname = Acme\norigin = kith.test/log/01\nurl = https://localhost:1\n"
                           "plain_url = http://localhost:2\n[store]\ndatabase = sqlite:data/kith.db\n"
                           "[keys]\npassphrase_file = passphrase\n[ca]\nissuing_key = file:keys/issuing.key\n"
                           "ledger_key = file:keys/ledger.key\ncosign_key = file:keys/cosign.key\n"
                           "derive_key = file:keys/derive.key\n";

void fixture_programs(int argc, char **argv)
{
    assert_true(argc == 3);
    assert_non_null(realpath(argv[1], kithd));
    assert_non_null(realpath(argv[2], fake));
}

const char *fixture_path(const struct fixture *f, const char *name)
{
    static char paths[4][160];
    static unsigned next;
    char *p = paths[next++ % 4];
    snprintf(p, sizeof paths[0], "%s/%s", f->dir, name);
    return p;
}

void fixture_write(const struct fixture *f, const char *name, mode_t mode, const char *text)
{
    int fd = open(fixture_path(f, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

const char *fixture_read(const struct fixture *f, const char *name)
{
    static char text[16384];
    int fd = open(fixture_path(f, name), O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    text[n > 0 ? n : 0] = 0;
    if (fd >= 0)
        close(fd);
    return text;
}

void fixture_init(struct fixture *f)
{
    static const char *const dirs[] = {"ca",      "keys", "profiles", "signers", "signers/issuing", "signers/ledger",
                                       "libexec", "data"};
    static const char *const secret[] = {"passphrase", "keys/issuing.key", "keys/ledger.key", "keys/cosign.key",
                                         "keys/derive.key"};
    static const char *const open_files[] = {"ca/root.cer", "ca/issuing.cer", "profiles/ldevid.profile", "ledger.vkeys",
                                             "signers/issuing/roster"};
    *f = (struct fixture){.dir = "/tmp/kith-supervisor-XXXXXX"};
    assert_non_null(mkdtemp(f->dir));
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
        assert_int_equal(mkdir(fixture_path(f, dirs[i]), 0700), 0);
    for (size_t i = 0; i < ARRAY_LEN(secret); i++)
        fixture_write(f, secret[i], 0600, "x");
    for (size_t i = 0; i < ARRAY_LEN(open_files); i++)
        fixture_write(f, open_files[i], 0644, "x");
    fixture_write(f, "kith.conf", 0644, conf);
    fixture_write(f, "fake.server", 0600, "ready");
    assert_int_equal(symlink(fake, fixture_path(f, "libexec/kith-server")), 0);
    assert_int_equal(symlink(fake, fixture_path(f, "libexec/kith-signer")), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* The fakes' numbers are in the events; one that ended already is no more in the group of that number. */
static void end_fakes(const struct fixture *f)
{
    static const char *const names[] = {"server", "issuing", "ledger"};
    static const char *const what[] = {"start", "helper"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        for (size_t w = 0; w < ARRAY_LEN(what); w++) {
            int n = fixture_count(f, what[w], names[i]);
            long pid;
            if (n && fixture_at(f, what[w], names[i], n - 1, &pid) >= 0 && pid > 1)
                kill((pid_t)pid, SIGKILL);
        }
}

void fixture_clear(struct fixture *f)
{
    if (f->kithd > 0 && kill(f->kithd, SIGKILL) == 0)
        waitpid(f->kithd, NULL, 0);
    end_fakes(f);
    nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

pid_t fixture_spawn(struct fixture *f, const char *env, const char *a1, const char *a2)
{
    char config[160], libexec[160], log[160];
    snprintf(config, sizeof config, "%s/kith.conf", f->dir);
    snprintf(libexec, sizeof libexec, "%s/libexec", f->dir);
    snprintf(log, sizeof log, "%s/log", f->dir);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(fd, STDERR_FILENO);
        setenv("KITH_SECRET_OF_THE_SHELL", "x", 1);
        setenv("SOFTHSM2_CONF", "/nowhere", 1);
        if (env)
            putenv(strdup(env));
        execl(kithd, "kithd", "--config", config, "--libexec", libexec, a1, a2, (char *)NULL);
        _exit(127);
    }
    return pid;
}

int fixture_wait(pid_t pid, int timeout_ms)
{
    for (int waited = 0; waited <= timeout_ms; waited += 10) {
        int status;
        if (waitpid(pid, &status, WNOHANG) == pid)
            return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
        poll(NULL, 0, 10);
    }
    return -1000;
}

long long fixture_at(const struct fixture *f, const char *what, const char *who, int n, long *number)
{
    const char *text = fixture_read(f, "events");
    for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
        long long at;
        char w[24], name[24];
        long k;
        if (!strchr(line, '\n') || sscanf(line, "%lld %23s %23s %ld", &at, w, name, &k) != 4)
            return -1;
        if (strcmp(w, what) == 0 && strcmp(name, who) == 0 && n-- == 0) {
            if (number)
                *number = k;
            return at;
        }
    }
    return -1;
}

int fixture_count(const struct fixture *f, const char *what, const char *who)
{
    int n = 0;
    while (fixture_at(f, what, who, n, NULL) >= 0)
        n++;
    return n;
}

void fixture_until(const struct fixture *f, const char *what, const char *who, int n)
{
    for (int i = 0; i < PATIENCE; i++) {
        if (fixture_count(f, what, who) >= n)
            return;
        poll(NULL, 0, 20);
    }
    fail_msg("no %d x %s %s; log:\n%s", n, what, who, fixture_read(f, "log"));
}

bool fixture_until_log(const struct fixture *f, const char *text)
{
    for (int i = 0; i < PATIENCE; i++) {
        if (strstr(fixture_read(f, "log"), text))
            return true;
        poll(NULL, 0, 20);
    }
    return false;
}

bool fixture_is_gone(pid_t pid)
{
    for (int i = 0; i < PATIENCE; i++) {
        char path[40], state = 0;
        snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
        FILE *s = fopen(path, "re");
        bool zombie = s && fscanf(s, "%*d %*s %c", &state) == 1 && state == 'Z';
        if (s)
            fclose(s);
        if (!s || zombie) /* its parent may be an init that never reaps */
            return true;
        poll(NULL, 0, 20);
    }
    return false;
}

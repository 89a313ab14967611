/* A SoftHSM2 token of its own in a temporary directory, and the control file of the shim in front of it. */
#ifndef KITH_TESTS_INTEROP_KEYS_TOKEN_H
#define KITH_TESTS_INTEROP_KEYS_TOKEN_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define SOFTHSM     "/usr/lib/softhsm/libsofthsm2.so"
#define TOKEN_LABEL "kith test"
#define TOKEN_PIN   "1234"

static char token_dir[64], token_pin[128], token_control[128], token_log[128];

static inline void token_put(const char *path, const char *text)
{
    char tmp[160];
    snprintf(tmp, sizeof tmp, "%s.new", path);
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd) != 0 || rename(tmp, path) != 0)
        abort();
}

/* What the shim does from now on. */
static inline void token_plan(const char *faults)
{
    char text[1024];
    snprintf(text, sizeof text, "module=%s\nlog=%s\n%s\n", SOFTHSM, token_log, faults);
    token_put(token_control, text);
}

/* Lines in the shim's log that begin so. */
static inline int token_count(const char *what)
{
    FILE *f = fopen(token_log, "r");
    char line[64];
    int n = 0;
    while (f && fgets(line, sizeof line, f))
        n += strncmp(line, what, strlen(what)) == 0;
    if (f)
        fclose(f);
    return n;
}

static inline bool token_make(void)
{
    char text[512];
    if (access(SOFTHSM, R_OK) != 0)
        return false;
    strcpy(token_dir, "/tmp/kith-token-XXXXXX");
    if (!mkdtemp(token_dir))
        return false;
    snprintf(token_pin, sizeof token_pin, "%s/pin", token_dir);
    snprintf(token_control, sizeof token_control, "%s/control", token_dir);
    snprintf(token_log, sizeof token_log, "%s/log", token_dir);
    token_put(token_pin, TOKEN_PIN "\n");
    char conf[96];
    snprintf(conf, sizeof conf, "%s/softhsm2.conf", token_dir);
    snprintf(text, sizeof text, "directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n",
             token_dir);
    token_put(conf, text);
    snprintf(text, sizeof text, "%s/tokens", token_dir);
    if (mkdir(text, 0700) != 0 || setenv("SOFTHSM2_CONF", conf, 1) != 0 ||
        setenv("P11SHIM_CONTROL", token_control, 1) != 0)
        return false;
    token_plan("");
    return system("softhsm2-util --init-token --free --label '" TOKEN_LABEL "' --so-pin 5678 --pin " TOKEN_PIN
                  " >/dev/null") == 0;
}

/* The last call of a program that loaded a module: see keys/p11.h.  Children have not loaded it, so rm may run. */
static inline void token_end(int status)
{
    char text[128];
    snprintf(text, sizeof text, "rm -rf '%s'", token_dir);
    if (token_dir[0] && system(text) != 0)
        status = 1;
    fflush(NULL);
    _exit(status);
}

#endif

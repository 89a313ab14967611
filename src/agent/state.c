#include "agent/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLOTS     "credentials"
#define SLOT_MAX  999999999u
#define REF_MAX   1024
#define TRY_OTHER "name the directory that kith-agent enroll made, or another one for a new identity"

static bool failed(struct err *e, const char *act, const char *path)
{
    return err_set(e, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, "cannot %s \"%s\": %m", act, ERR_QUOTE(slice_str(path)));
}

const char *state_path(const struct state *s, const char *name, char out[STATE_PATH_MAX])
{
    snprintf(out, STATE_PATH_MAX, "%s/%s", s->dir, name);
    return out;
}

const char *state_slot_path(const struct state *s, unsigned slot, const char *name, char out[STATE_PATH_MAX])
{
    snprintf(out, STATE_PATH_MAX, "%s/" SLOTS "/%u%s%s", s->dir, slot, *name ? "/" : "", name);
    return out;
}

static unsigned slot_of_name(const char *s)
{
    char *end;
    errno = 0;
    unsigned long v = *s >= '1' && *s <= '9' ? strtoul(s, &end, 10) : 0;
    return v && !*end && errno == 0 && v <= SLOT_MAX ? (unsigned)v : 0;
}

/* What writes that never ended left: it may hold a key or a claim. */
static bool clean(const struct state *s, struct err *e)
{
    char path[STATE_PATH_MAX];
    static const char *const links[] = {STATE_CURRENT, STATE_NEXT};
    bool ok = file_remove_leftovers(s->dir, NULL, e);
    for (size_t i = 0; ok && i < ARRAY_LEN(links); i++) {
        unsigned slot = state_slot(s, links[i]);
        ok = !slot || file_remove_leftovers(state_slot_path(s, slot, "", path), NULL, e);
    }
    return ok;
}

bool state_peek(const char *dir, struct state *out, struct err *e)
{
    struct state s = {.lock = -1};
    *out = s;
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/')
        n--;
    if (n == 0 || n >= sizeof s.dir)
        return err_set(e, ERR_USAGE, "\"%s\" cannot be a state directory", ERR_QUOTE(slice_str(dir)));
    memcpy(s.dir, dir, n);
    if (!file_exists(s.dir)) {
        err_set(e, ERR_NOTFOUND, "there is no state directory %s", ERR_QUOTE(slice_str(dir)));
        return err_try(e, "kith-agent enroll --dir %s", ERR_QUOTE_PATH(slice_str(dir)));
    }
    struct stat st;
    if (stat(s.dir, &st) != 0 || !S_ISDIR(st.st_mode)) {
        err_set(e, ERR_CONFLICT, "%s is not a directory", ERR_QUOTE(slice_str(dir)));
        return err_try(e, TRY_OTHER);
    }
    *out = s;
    return true;
}

/* Empty, or with something in it that only an agent writes. */
static bool is_agents(const struct state *s)
{
    char path[STATE_PATH_MAX];
    if (file_exists(state_path(s, "agent.conf", path)) || file_exists(state_path(s, SLOTS, path)))
        return true;
    DIR *d = opendir(s->dir);
    if (!d)
        return false;
    size_t n = 0;
    while (n <= 2 && readdir(d)) /* "." and ".." */
        n++;
    closedir(d);
    return n <= 2;
}

bool state_check_private(const struct state *s, struct err *e)
{
    return file_check_private(s->dir, e) || (is_agents(s) ? false : err_try(e, TRY_OTHER));
}

static bool not_opened(const char *dir, struct err *e)
{
    if (e->hint[0])
        return false;
    return err_try(e, "look at %s: is it this user's, and is there room on its disk? Nothing in it was changed",
                   ERR_QUOTE_PATH(slice_str(dir)));
}

bool state_open(const char *dir, bool create, struct state *out, struct err *e)
{
    char path[STATE_PATH_MAX];
    struct state s;
    *out = (struct state){.lock = -1};
    if (create && !file_exists(dir) && !file_mkdir_private(dir, e))
        return not_opened(dir, e);
    if (!state_peek(dir, &s, e) || !state_check_private(&s, e) || !file_lock(state_path(&s, "lock", path), &s.lock, e))
        return not_opened(dir, e);
    if (!file_mkdir_private(state_path(&s, SLOTS, path), e) || !clean(&s, e)) {
        state_close(&s);
        return not_opened(dir, e);
    }
    *out = s;
    return true;
}

void state_close(struct state *s)
{
    file_close(&s->lock);
}

unsigned state_slot(const struct state *s, const char *link)
{
    char path[STATE_PATH_MAX], target[64];
    const size_t prefix = sizeof SLOTS; /* and the slash */
    ssize_t n = readlink(state_path(s, link, path), target, sizeof target - 1);
    if (n <= (ssize_t)prefix || strncmp(target, SLOTS "/", prefix) != 0)
        return 0;
    target[n] = '\0';
    return slot_of_name(target + prefix);
}

unsigned state_slot_fresh(const struct state *s)
{
    char path[STATE_PATH_MAX];
    unsigned last = 0;
    DIR *d = opendir(state_path(s, SLOTS, path));
    for (struct dirent *x; d && (x = readdir(d));) {
        unsigned n = slot_of_name(x->d_name);
        last = n > last ? n : last;
    }
    if (d)
        closedir(d);
    return last + 1;
}

bool state_slot_make(const struct state *s, unsigned slot, const char *ref, bool found, struct err *e)
{
    char path[STATE_PATH_MAX], text[REF_MAX];
    int n = snprintf(text, sizeof text, "%s\n%s\n", ref, found ? "found" : "ours");
    if (n < 0 || (size_t)n >= sizeof text)
        return err_set(e, ERR_LIMIT, "a key reference of %zu characters is too long", strlen(ref));
    return file_mkdir_private(state_slot_path(s, slot, "", path), e) &&
           file_write_atomic(state_slot_path(s, slot, "key.ref", path), 0600, slice_of(text, (size_t)n), e) &&
           file_sync_dir_of(state_slot_path(s, slot, "", path), e);
}

bool state_slot_ref(const struct state *s, unsigned slot, struct buf *ref, bool *found, struct err *e)
{
    char path[STATE_PATH_MAX];
    *found = true;
    if (!file_read_private(state_slot_path(s, slot, "key.ref", path), REF_MAX, ref, e))
        return false;
    const char *text = buf_str(ref), *eol = strchr(text, '\n');
    if (!eol || eol == text || (strcmp(eol, "\nours\n") != 0 && strcmp(eol, "\nfound\n") != 0))
        return err_set(e, ERR_AGENT_STATE, "%s is not what the agent wrote", path);
    *found = strcmp(eol, "\nfound\n") == 0;
    buf_cut(ref, (size_t)(eol - text));
    return true;
}

bool state_link(const struct state *s, const char *link, unsigned slot, struct err *e)
{
    char path[STATE_PATH_MAX], tmp[STATE_PATH_MAX + 16], target[64];
    state_path(s, link, path);
    snprintf(tmp, sizeof tmp, "%s" FILE_TMP_MARK "symlnk", path);
    snprintf(target, sizeof target, SLOTS "/%u", slot);
    if ((unlink(tmp) != 0 && errno != ENOENT) || symlink(target, tmp) != 0 || rename(tmp, path) != 0)
        return failed(e, "set the link", path);
    return file_sync_dir_of(path, e);
}

bool state_unlink(const struct state *s, const char *link, struct err *e)
{
    char path[STATE_PATH_MAX];
    return file_remove(state_path(s, link, path), e);
}

unsigned state_slot_lost(const struct state *s)
{
    char path[STATE_PATH_MAX];
    unsigned next = state_slot(s, STATE_NEXT);
    if (state_slot(s, STATE_CURRENT) || file_exists(state_path(s, "retired", path)))
        return 0;
    for (unsigned i = state_slot_fresh(s) - 1; i > 0; i--)
        if (i != next && file_exists(state_slot_path(s, i, "cert.pem", path)) &&
            file_exists(state_slot_path(s, i, "key.ref", path)))
            return i;
    return 0;
}

bool state_mend_links(const struct state *s, unsigned *slot, struct err *e)
{
    *slot = state_slot_lost(s);
    return !*slot || state_link(s, STATE_CURRENT, *slot, e);
}

bool state_slot_remove(const struct state *s, unsigned slot, struct err *e)
{
    char path[STATE_PATH_MAX];
    state_slot_path(s, slot, "", path);
    DIR *d = opendir(path);
    if (!d)
        return errno == ENOENT || failed(e, "open", path);
    bool ok = true;
    for (struct dirent *x; ok && (x = readdir(d));)
        if (strcmp(x->d_name, ".") != 0 && strcmp(x->d_name, "..") != 0 && strcmp(x->d_name, "key.ref") != 0)
            ok = unlinkat(dirfd(d), x->d_name, 0) == 0 || failed(e, "empty", path);
    /* Last, for it says which key has to go when this is repeated. */
    ok = ok && (unlinkat(dirfd(d), "key.ref", 0) == 0 || errno == ENOENT || failed(e, "empty", path));
    closedir(d);
    return ok && (rmdir(path) == 0 || failed(e, "remove", path)) && file_sync_dir_of(path, e);
}

bool state_each_unused(const struct state *s, bool (*fn)(void *ctx, unsigned slot, struct err *e), void *ctx,
                       struct err *e)
{
    char path[STATE_PATH_MAX];
    unsigned current = state_slot(s, STATE_CURRENT), next = state_slot(s, STATE_NEXT);
    DIR *d = opendir(state_path(s, SLOTS, path));
    if (!d)
        return failed(e, "open", path);
    bool ok = true;
    for (struct dirent *x; (x = readdir(d));) {
        unsigned slot = slot_of_name(x->d_name);
        if (slot && slot != current && slot != next && !fn(ctx, slot, e))
            ok = false; /* the others still have their turn */
    }
    closedir(d);
    return ok;
}

#include "cli/token_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "model/device.h"

#define TOKEN_FILE_MAX (1u << 30)
#define ID_N           (DEVICE_ID_SIZE - 1)

static int compare(const void *a, const void *b)
{
    return strncmp(*(const char *const *)a, *(const char *const *)b, ID_N);
}

/* A line, or the beginning of one. */
static bool is_token_line(const char *p, size_t n)
{
    return strncmp(p, "dev_", n < 4 ? n : 4) == 0 && (n <= ID_N || p[ID_N] == '\t');
}

/* The ids of whole lines; *whole is where they end. */
static bool read_ids(struct token_file *f, size_t *whole, struct err *e)
{
    size_t lines = 0, n;
    for (size_t i = 0; i < f->text.n; i++)
        lines += f->text.p[i] == '\n';
    f->ids = lines ? calloc(lines, sizeof *f->ids) : NULL;
    if (lines && !f->ids)
        return err_set(e, ERR_NOMEM, "%zu tokens", lines);
    for (*whole = 0; *whole < f->text.n; *whole += n + 1) {
        const char *p = f->text.p + *whole, *end = memchr(p, '\n', f->text.n - *whole);
        n = end ? (size_t)(end - p) : f->text.n - *whole;
        if (!is_token_line(p, n) || (end && n <= ID_N)) {
            err_set(e, ERR_SYNTAX, "line %zu is no token of a device", f->n + 1);
            return err_try(e, "a file of its own for the tokens");
        }
        if (!end)
            break;
        f->ids[f->n++] = p;
    }
    if (f->n)
        qsort(f->ids, f->n, sizeof *f->ids, compare);
    return true;
}

/* Half a line tells nobody anything: its device gets another token. */
static bool cut(struct token_file *f, size_t whole, struct err *e)
{
    return ftruncate(f->fd, (off_t)whole) == 0 || err_set(e, ERR_IO, "cannot cut off half a line: %s", strerror(errno));
}

static bool open_file(const char *path, struct token_file *f, struct err *e)
{
    size_t whole = 0;
    f->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (f->fd < 0)
        return err_set(e, ERR_IO, "cannot open: %s", strerror(errno));
    if (flock(f->fd, LOCK_EX | LOCK_NB) != 0) {
        err_set(e, ERR_LOCKED, "another run writes to it");
        return err_try(e, "when that is done");
    }
    return file_read_private(path, TOKEN_FILE_MAX, &f->text, e) && read_ids(f, &whole, e) && cut(f, whole, e) &&
           file_sync_dir_of(path, e);
}

bool token_file_open(const char *path, struct token_file *out, struct err *e)
{
    *out = (struct token_file){.fd = -1};
    buf_init(&out->text, TOKEN_FILE_MAX);
    if (open_file(path, out, e))
        return true;
    token_file_close(out);
    return err_ctx(e, "%s", path);
}

bool token_file_has(const struct token_file *f, const char *id)
{
    return f->n && bsearch(&id, f->ids, f->n, sizeof *f->ids, compare);
}

bool token_file_append(struct token_file *f, struct slice lines, struct err *e)
{
    if (!file_write_all(f->fd, lines, e))
        return false;
    return fdatasync(f->fd) == 0 || err_set(e, ERR_IO, "cannot sync the tokens: %s", strerror(errno));
}

void token_file_close(struct token_file *f)
{
    file_close(&f->fd);
    if (f->text.n)
        buf_wipe(&f->text);
    buf_clear(&f->text);
    free(f->ids);
    *f = (struct token_file){.fd = -1};
}

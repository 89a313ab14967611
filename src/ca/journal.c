#include "ca/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crash_point.h"
#include "base/file.h"
#include "ca/request.h"
#include "core/cbor.h"

#define HEAD_SIZE 8 /* length, check */
#define SECTOR    512

struct journal {
    int fd;
    const struct crypto *crypto;
    struct journal_mark end;
    uint8_t *batch; /* JOURNAL_BATCH_MAX and the frame around it */
    struct writer w;
    char path[4096];
};

#define FRAME_MAX (HEAD_SIZE + JOURNAL_BATCH_MAX + SHA256_SIZE)

static bool io_failed(const struct journal *j, const char *verb, struct err *e)
{
    err_set(e, ERR_JOURNAL, "%s: cannot %s: %s", j->path, verb, strerror(errno));
    return err_try(e, errno == ENOSPC ? "free space on this file system; the signer goes on by itself"
                                      : "look at the disk; the signer signs nothing that it cannot record");
}

static bool read_fully(struct journal *j, uint8_t *p, size_t n, uint64_t at, size_t *got, struct err *e)
{
    *got = 0;
    while (*got < n) {
        ssize_t r = pread(j->fd, p + *got, n - *got, (off_t)(at + *got));
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return io_failed(j, "read", e);
        if (r == 0)
            return true;
        *got += (size_t)r;
    }
    return true;
}

static void chain(const struct journal *j, const uint8_t before[SHA256_SIZE], struct slice records,
                  uint8_t out[SHA256_SIZE])
{
    j->crypto->sha256((struct slice[]){slice_of(before, SHA256_SIZE), records}, 2, out);
}

/* The check of a length: without it a changed length would pass for a batch that a crash cut short. */
static uint32_t head_check(const struct journal *j, const uint8_t before[SHA256_SIZE], uint32_t n)
{
    uint8_t digest[SHA256_SIZE], length[4];
    struct writer w = WRITER_ARRAY(length);
    writer_u32(&w, n);
    chain(j, before, SLICE_ARRAY(length), digest);
    struct reader r = reader_of(SLICE_ARRAY(digest));
    return reader_u32(&r);
}

enum found { FOUND_BATCH, FOUND_END, FOUND_TORN, FOUND_CHANGED, FOUND_ERROR };

/* A file system may lengthen a file before it has the bytes: then all that follows is zeros. */
static bool zeros_to_the_end(struct journal *j, uint64_t at, uint8_t *buf, struct err *e)
{
    size_t got;
    do {
        if (!read_fully(j, buf, FRAME_MAX, at, &got, e))
            return false;
        for (size_t i = 0; i < got; i++)
            if (buf[i])
                return false;
        at += got;
    } while (got);
    return true;
}

/* A crash leaves a batch whose length is in the file without some of its sectors, which then read as zeros (of a sector that
 * was there before, the part that is new).  Whatever else is wrong in a batch is no crash's doing. */
static bool lacks_a_sector(uint64_t at, const uint8_t *batch, size_t n)
{
    for (size_t from = 0, to; from < n; from = to) {
        size_t i = from;
        to = from + SECTOR - (size_t)((at + from) % SECTOR);
        to = to < n ? to : n;
        while (i < to && !batch[i])
            i++;
        if (i == to)
            return true;
    }
    return false;
}

/* Looks at the batch at `mark`; *records is borrowed from buf, which holds FRAME_MAX. */
static enum found look(struct journal *j, struct journal_mark *mark, uint64_t size, bool check, uint8_t *buf,
                       struct slice *records, struct err *e)
{
    uint8_t head[HEAD_SIZE], digest[SHA256_SIZE];
    size_t got;
    if (mark->at == size)
        return FOUND_END;
    if (!read_fully(j, head, sizeof head, mark->at, &got, e))
        return FOUND_ERROR;
    struct reader r = reader_of(slice_of(head, got));
    uint32_t n = reader_u32(&r), sum = reader_u32(&r);
    if (!reader_ok(&r))
        return FOUND_TORN;
    if (n == 0 && sum == 0) {
        err_clear(e);
        if (zeros_to_the_end(j, mark->at, buf, e))
            return FOUND_TORN;
        return e->code ? FOUND_ERROR : FOUND_CHANGED;
    }
    if (n == 0 || n > JOURNAL_BATCH_MAX || (check && sum != head_check(j, mark->digest, n)))
        return FOUND_CHANGED;
    if (size - mark->at < HEAD_SIZE + (uint64_t)n + SHA256_SIZE)
        return FOUND_TORN;
    if (!read_fully(j, buf, n + SHA256_SIZE, mark->at + HEAD_SIZE, &got, e))
        return FOUND_ERROR;
    *records = slice_of(buf, n);
    uint64_t after = mark->at + HEAD_SIZE + n + SHA256_SIZE;
    if (check) {
        chain(j, mark->digest, *records, digest);
        if (memcmp(digest, buf + n, SHA256_SIZE) != 0)
            return after == size && lacks_a_sector(mark->at + HEAD_SIZE, buf, n + SHA256_SIZE) ? FOUND_TORN
                                                                                               : FOUND_CHANGED;
    }
    mark->at = after;
    memcpy(mark->digest, buf + n, SHA256_SIZE);
    return FOUND_BATCH;
}

static bool tell_records(const struct journal *j, struct slice records, const struct journal_mark *next,
                         journal_each *each, void *ctx, bool *stop, struct err *e)
{
    struct reader r = reader_of(records);
    while (reader_left(&r)) {
        struct slice record = reader_take(&r, reader_u32(&r));
        if (!reader_ok(&r))
            return err_set(e, ERR_JOURNAL, "%s: a record before byte %llu is cut", j->path,
                           (unsigned long long)next->at);
        err_clear(e);
        if (!each(ctx, record, next, e)) {
            *stop = true;
            return e->code == ERR_NONE;
        }
    }
    return true;
}

static bool changed(const struct journal *j, uint64_t at, struct err *e)
{
    err_set(e, ERR_JOURNAL, "%s: the batch at byte %llu does not fit the one before", j->path, (unsigned long long)at);
    err_why(e,
            "the digests of a journal form a chain; a crash leaves a batch short, but this one is changed or damaged, "
            "and its certificates may be out");
    return err_try(e, "restore the signer's directory from its last copy; do not cut the file");
}

/* Walks from *mark to the end of the file or until `each` stops; leaves *mark behind the last batch that was read. */
static bool walk(struct journal *j, struct journal_mark *mark, bool check, journal_each *each, void *ctx, bool *torn,
                 struct err *e)
{
    struct stat st;
    if (fstat(j->fd, &st) < 0)
        return io_failed(j, "stat", e);
    uint64_t size = check ? (uint64_t)st.st_size : j->end.at;
    if (mark->at > size)
        return err_set(e, ERR_JOURNAL, "%s: shorter (%llu bytes) than what was signed (%llu)", j->path,
                       (unsigned long long)size, (unsigned long long)mark->at);
    uint8_t *buf = malloc(FRAME_MAX);
    if (!buf)
        return err_set(e, ERR_NOMEM, "journal buffer");
    bool ok = true, stop = false;
    while (ok && !stop) {
        struct slice records;
        uint64_t at = mark->at;
        enum found f = look(j, mark, size, check, buf, &records, e);
        if (f == FOUND_END)
            break;
        if (f == FOUND_TORN) {
            *torn = true;
            break;
        }
        if (f == FOUND_CHANGED) {
            ok = changed(j, at, e);
        } else {
            ok = f == FOUND_BATCH && (!each || tell_records(j, records, mark, each, ctx, &stop, e));
        }
    }
    free(buf);
    return ok;
}

static bool journal_new(const char *path, const struct crypto *crypto, struct journal **out, struct err *e)
{
    struct journal *j = calloc(1, sizeof *j);
    *out = j;
    if (!j || !(j->batch = malloc(FRAME_MAX)))
        return err_set(e, ERR_NOMEM, "journal");
    j->fd = -1;
    j->crypto = crypto;
    strncpy(j->path, path, sizeof j->path - 1);
    journal_drop(j);
    return true;
}

static bool lost(const struct journal *j, const char *how, struct err *e)
{
    err_set(e, ERR_JOURNAL_LOST, "%s: %s", j->path, how);
    err_why(e, "a signer that does not know what it signed could sign against it: a serial number twice, another log");
    return err_try(
        e, "restore the signer's directory from its last copy; only kith init makes a journal, of a new platform");
}

/* A journal has had its first record since it was made: one that is empty is one that is gone. */
static bool begin(struct journal *j, int flags, const struct journal_mark *from, struct err *e)
{
    struct stat st;
    j->end = *from;
    j->fd = open(j->path, flags | O_CLOEXEC);
    if (j->fd < 0)
        return errno == ENOENT ? lost(j, "is not there", e) : io_failed(j, "open", e);
    if (fstat(j->fd, &st) < 0)
        return io_failed(j, "stat", e);
    return st.st_size || lost(j, "is empty", e);
}

bool journal_open(const char *path, const struct crypto *crypto, const struct journal_mark *from, journal_each *each,
                  void *ctx, struct journal **out, uint64_t *torn, struct err *e)
{
    *out = NULL;
    *torn = 0;
    AUTO(journal_free_auto) struct journal *j = NULL;
    bool cut = false;
    if (!journal_new(path, crypto, &j, e) || !begin(j, O_RDWR, from, e) || !walk(j, &j->end, true, each, ctx, &cut, e))
        return false;
    if (j->end.at == 0)
        return lost(j, "has no whole batch", e);
    if (cut) {
        struct stat st;
        if (fstat(j->fd, &st) < 0 || ftruncate(j->fd, (off_t)j->end.at) < 0 || fsync(j->fd) < 0)
            return io_failed(j, "cut the torn end of", e);
        *torn = (uint64_t)st.st_size - j->end.at;
    }
    *out = j;
    j = NULL;
    return true;
}

bool journal_check(const char *path, const struct crypto *crypto, const struct journal_mark *from, journal_each *each,
                   void *ctx, struct err *e)
{
    AUTO(journal_free_auto) struct journal *j = NULL;
    struct journal_mark done = {0};
    bool torn = false;
    return journal_new(path, crypto, &j, e) && begin(j, O_RDONLY, from, e) &&
           walk(j, &j->end, true, each, ctx, &torn, e) && (j->end.at || lost(j, "has no whole batch", e)) &&
           journal_verify(j, from, from->at, &done, e);
}

bool journal_verify(struct journal *j, const struct journal_mark *to, uint64_t bytes, struct journal_mark *done,
                    struct err *e)
{
    uint64_t until = to->at - done->at < bytes ? to->at : done->at + bytes;
    uint8_t *buf = malloc(FRAME_MAX);
    if (!buf)
        return err_set(e, ERR_NOMEM, "journal buffer");
    bool ok = true;
    while (ok && done->at < until) {
        struct slice records;
        uint64_t at = done->at;
        enum found f = look(j, done, to->at, true, buf, &records, e);
        ok = f == FOUND_BATCH || (f == FOUND_ERROR ? false : changed(j, at, e));
    }
    free(buf);
    if (ok && done->at == to->at && memcmp(done->digest, to->digest, SHA256_SIZE) != 0)
        return changed(j, to->at, e);
    return ok;
}

void journal_free(struct journal *j)
{
    if (!j)
        return;
    if (j->fd >= 0)
        close(j->fd);
    free(j->batch);
    free(j);
}

void journal_drop(struct journal *j)
{
    j->w = writer_of(j->batch + HEAD_SIZE, JOURNAL_BATCH_MAX);
}

size_t journal_batch(const struct journal *j)
{
    return j->w.n;
}

void journal_cut(struct journal *j, size_t size)
{
    j->w.n = size;
}

bool journal_append(struct journal *j, struct slice record, struct err *e)
{
    if (record.n > JOURNAL_BATCH_MAX - j->w.n - sizeof(uint32_t))
        return err_set(e, ERR_LIMIT, "a journal batch holds %u bytes", JOURNAL_BATCH_MAX);
    writer_u32(&j->w, (uint32_t)record.n);
    writer_put(&j->w, record);
    return true;
}

/* The batch as it stands in the file, and the mark behind it. */
static struct slice frame(struct journal *j, struct journal_mark *next)
{
    struct slice records = writer_slice(&j->w);
    size_t n = HEAD_SIZE + records.n + SHA256_SIZE;
    next->at = j->end.at + n;
    chain(j, j->end.digest, records, next->digest);
    struct writer head = writer_of(j->batch, HEAD_SIZE);
    writer_u32(&head, (uint32_t)records.n);
    writer_u32(&head, head_check(j, j->end.digest, (uint32_t)records.n));
    memcpy(j->batch + HEAD_SIZE + records.n, next->digest, SHA256_SIZE);
    return slice_of(j->batch, n);
}

bool journal_set_up(const char *path, const struct crypto *crypto, const uint8_t pinned[SHA256_SIZE], int64_t now_s,
                    struct err *e)
{
    AUTO(journal_free_auto) struct journal *j = NULL;
    struct journal_mark next;
    uint8_t record[64];
    struct writer w = WRITER_ARRAY(record);
    cbor_put_array(&w, 3);
    cbor_put_uint(&w, JOURNAL_SETUP);
    cbor_put_int(&w, now_s);
    cbor_put_bstr(&w, slice_of(pinned, SHA256_SIZE));
    return journal_new(path, crypto, &j, e) && journal_append(j, writer_slice(&w), e) &&
           file_write_new(path, 0600, frame(j, &next), e);
}

bool journal_sync(struct journal *j, struct err *e)
{
    if (j->w.n == 0)
        return true;
    struct journal_mark next;
    struct slice all = frame(j, &next);
    size_t done = 0;
    bool ok = true;
    crash_point("signer.unwritten");
    while (ok && done < all.n) {
        ssize_t w = pwrite(j->fd, all.p + done, all.n - done, (off_t)(j->end.at + done));
        if (w >= 0)
            done += (size_t)w;
        else
            ok = errno == EINTR;
    }
    crash_point("signer.written");
    ok = ok && fdatasync(j->fd) == 0;
    crash_point("signer.synced");
    journal_drop(j);
    if (!ok) {
        io_failed(j, "write", e);
        /* A partial batch must not be taken for a torn one that a later batch follows. */
        if (ftruncate(j->fd, (off_t)j->end.at) < 0)
            return err_ctx(e, "and cannot cut it");
        return false;
    }
    j->end = next;
    return true;
}

struct journal_mark journal_end(const struct journal *j)
{
    return j->end;
}

bool journal_read(struct journal *j, uint64_t at, journal_each *each, void *ctx, struct err *e)
{
    struct journal_mark mark = {.at = at};
    bool torn = false;
    if (at > j->end.at) {
        err_set(e, ERR_JOURNAL, "%s: nothing stands at byte %llu", j->path, (unsigned long long)at);
        err_why(e, "the database says that it was read up to there (journal_mark), but it ends at byte %llu",
                (unsigned long long)j->end.at);
        return err_try(e, "kith ledger verify, then restore what was altered: directory and database of one time");
    }
    if (!walk(j, &mark, false, each, ctx, &torn, e))
        return false;
    return !torn || err_set(e, ERR_JOURNAL, "%s: no batch begins at byte %llu", j->path, (unsigned long long)at);
}

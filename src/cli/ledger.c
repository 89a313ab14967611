/* kith ledger: checkpoints, proofs, exports. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/client.h"
#include "cli/ledger.h"
#include "cli/show.h"
#include "keys/crypto.h"
#include "ledger/export.h"

#define KEYS_FILE_MAX 65536
#define PROOF_MAX     (MERKLE_PROOF_MAX * SHA256_SIZE)

/* ---- keys that are trusted ---- */

/* The log's comes first. */
static bool read_keys(const char *path, struct trusted *out, struct err *e)
{
    AUTO(buf_clear) struct buf b = {0};
    buf_init(&b, KEYS_FILE_MAX);
    if (!file_read(path, KEYS_FILE_MAX, &b, e))
        return false;
    struct slice rest = buf_slice(&b), line;
    while (slice_take_said_line(&rest, &line)) {
        if (out->n == EXPORT_KEYS_MAX)
            return err_set(e, ERR_LIMIT, "%s: more than %d keys", path, EXPORT_KEYS_MAX);
        if (!note_key_read(&crypto_openssl, line, &out->keys[out->n], e)) {
            err_try(e, "--keys DIR/ledger.vkeys, of the platform's directory; kith inspect %s says what this is", path);
            return err_ctx(e, "%s", path);
        }
        out->n++;
    }
    return out->n > 0 || err_set(e, ERR_NOTE, "%s has no key in it", path);
}

/* Those of --keys, else those of the installation, else none. */
bool ledger_find_keys(struct cli *cli, const char *file, struct trusted *out, struct err *e)
{
    const struct settings *s;
    *out = (struct trusted){0};
    if (file)
        return read_keys(file, out, e);
    if (!cli->g.dir)
        return true;
    if (!cli_settings(cli, &s, e))
        return false;
    const char *path = settings_path(s, &cli->arena, PATH_VKEYS);
    return path ? read_keys(path, out, e) : arena_ok(&cli->arena, e);
}

bool ledger_wants_keys(const struct trusted *t, struct err *e)
{
    if (t->n)
        return true;
    err_set(e, ERR_OPTION, "without keys that you trust nothing is proved");
    return err_try(e, "--keys FILE, a copy of the platform's " PATH_VKEYS);
}

/* ---- checkpoint, prove ---- */

static bool run_checkpoint(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    AUTO(buf_clear) struct buf reply = {0}, b = {0};
    (void)opts;
    (void)words;
    buf_init(&reply, CLI_ANSWER_MAX);
    buf_init(&b, CLI_ANSWER_MAX);
    if (!cli_call(cli, "POST", "/v1/ledger/checkpoint", NULL, 0, &reply, e))
        return false;
    if (!cli->g.json)
        return cli_write(cli, &reply, e);
    struct note n;
    struct checkpoint c;
    if (!note_read(buf_slice(&reply), &n, e) || !checkpoint_read(n.text, &c, e))
        return false;
    struct json_out o = json_out_of(&b);
    json_out_map(&o, NULL);
    json_out_int(&o, "v", 1);
    json_out_slice(&o, "origin", c.origin);
    json_out_int(&o, "size", (int64_t)c.size);
    json_out_bytes(&o, "root", CODEC_HEX, SLICE_ARRAY(c.root.b));
    json_out_slice(&o, "note", buf_slice(&reply));
    json_out_end(&o);
    buf_put_char(&b, '\n');
    return cli_write(cli, &b, e);
}

/* The checkpoint's signatures by the trusted keys. */
static bool check_note(struct slice text, const struct trusted *t, struct checkpoint *c, struct err *e)
{
    struct note n;
    struct note_signed by[EXPORT_KEYS_MAX] = {0};
    if (!note_read(text, &n, e) || !note_verify(&crypto_openssl, &n, t->keys, t->n, by, e) ||
        !checkpoint_read(n.text, c, e))
        return false;
    for (size_t i = 0; i < t->n; i++)
        if (!by[i].by)
            return err_set(e, ERR_NOTE_SIG, "%s has not signed the checkpoint", t->keys[i].name);
    return true;
}

/* That the answer proves the entry that was asked about, and no other. */
static bool check_proof(const struct json *j, int64_t asked, const struct trusted *t, struct proven *p, struct err *e)
{
    const char *note, *leaf;
    const struct json *path;
    int64_t index;
    uint8_t hashes[PROOF_MAX];
    size_t n, at = 0;
    struct merkle_hash h;
    if (!json_get_text(j, "checkpoint", 65536, &note, e) || !json_get_int(j, "index", 0, INT64_MAX, &index, e) ||
        !json_get_text(j, "leaf", 131072, &leaf, e) || !json_get_list(j, "path", &path, e) ||
        !check_note(slice_str(note), t, &p->checkpoint, e) ||
        !codec_decode(CODEC_BASE64, slice_str(leaf), p->leaf, sizeof p->leaf, &p->leaf_n, e))
        return false;
    if (index != asked)
        return err_set(e, ERR_PROOF, "the server proves entry %" PRId64, index);
    merkle_leaf(&crypto_openssl, slice_of(p->leaf, p->leaf_n), &h);
    for (size_t i = 0; i < json_count(path); i++, at += SHA256_SIZE) {
        const char *text;
        if (!json_item_text(path, i, 100, &text, e) ||
            !codec_decode(CODEC_BASE64, slice_str(text), hashes + at, sizeof hashes - at, &n, e))
            return false;
        if (n != SHA256_SIZE)
            return err_set(e, ERR_PROOF, "hash %zu of the path has %zu bytes", i, n);
    }
    return merkle_verify_inclusion(&crypto_openssl, &h, (uint64_t)index, p->checkpoint.size, slice_of(hashes, at),
                                   &p->checkpoint.root, e);
}

bool ledger_get_proof(struct cli *cli, const char *entry, const struct trusted *t, struct buf *reply, struct json **j,
                      struct proven *out, struct err *e)
{
    AUTO(buf_clear) struct buf path = {0};
    buf_init(&path, 4096);
    *j = NULL;
    size_t digits = strspn(entry, "0123456789");
    if (digits == 0 || digits > 18 || entry[digits]) {
        err_set(e, ERR_OPTION, "\"%s\" is no entry's number", ERR_QUOTE(slice_str(entry)));
        return err_try(e, "kith ledger ls shows the numbers");
    }
    if (!ledger_wants_keys(t, e))
        return false;
    buf_put_str(&path, "/v1/ledger/prove");
    cli_put_query(&path, "entry", entry);
    if (!cli_call_json(cli, "GET", buf_str(&path), NULL, 0, reply, j, e) ||
        !check_proof(*j, strtoll(entry, NULL, 10), t, out, e))
        return err_ctx(e, "entry %s", entry);
    return true;
}

static bool run_prove(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    const struct ledger_opts *o = opts;
    struct trusted trusted;
    struct proven p;
    AUTO(json_free_auto) struct json *j = NULL;
    AUTO(buf_clear) struct buf reply = {0}, out = {0};
    buf_init(&reply, CLI_ANSWER_MAX);
    buf_init(&out, 65536);
    if (!ledger_find_keys(cli, o->keys, &trusted, e) ||
        !ledger_get_proof(cli, words->v[0], &trusted, &reply, &j, &p, e))
        return false;
    if (cli->g.json)
        return show_raw(cli, &reply, e);
    buf_printf(&out, "entry %s stands in %.*s, whose checkpoint of %llu entries is signed by %zu known keys\n",
               words->v[0], (int)p.checkpoint.origin.n, (const char *)p.checkpoint.origin.p,
               (unsigned long long)p.checkpoint.size, trusted.n);
    return cli_write(cli, &out, e);
}

/* ---- export ---- */

struct sink {
    int fd;
    uint64_t n;
    struct err e;
    bool failed;
};

static bool on_data(struct slice part, void *arg)
{
    struct sink *s = arg;
    s->n += part.n;
    s->failed = !file_write_all(s->fd, part, &s->e);
    return !s->failed;
}

static bool fetch(struct cli *cli, struct sink *s, struct err *e)
{
    if (!cli_fetch(cli, "/v1/ledger/export", on_data, s, e))
        return false;
    if (s->failed)
        *e = s->e;
    return !s->failed;
}

/* Only an earlier export gives way: an auditor may have typed the name of something else. */
static bool may_export_to(const char *file, struct err *e)
{
    char first[sizeof EXPORT_MAGIC - 1];
    AUTO(file_close) int fd = -1;
    if (!file_may_replace(file, e))
        return false;
    fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ||
               err_set(e, ERR_IO, "cannot read %s: %s", ERR_QUOTE_PATH(slice_str(file)), strerror(errno));
    ssize_t n = read(fd, first, sizeof first);
    if (n == 0 || (n == sizeof first && memcmp(first, EXPORT_MAGIC, sizeof first) == 0))
        return true;
    err_set(e, ERR_CONFLICT, "\"%s\" is there already and is no export of a ledger", ERR_QUOTE_PATH(slice_str(file)));
    err_why(e, "what stands in it would be gone");
    return err_try(e, "give another name, or remove it first");
}

/* The file gets its name when all of it is there. */
static bool export_to(struct cli *cli, const char *file, struct err *e)
{
    struct sink s = {.fd = -1};
    bool to_file = strcmp(file, "-") != 0;
    const char *part = arena_printf(&cli->arena, "%s.part", file);
    if (!part)
        return arena_ok(&cli->arena, e);
    if (to_file && !may_export_to(file, e))
        return false;
    AUTO(file_close) int fd = to_file ? open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    if (to_file && fd < 0)
        return err_set(e, ERR_IO, "cannot write %s: %s", part, strerror(errno));
    s.fd = to_file ? fd : fileno(cli->out);
    bool ok = fetch(cli, &s, e) || err_ctx(e, "%s", file);
    if (ok && to_file && (fsync(fd) != 0 || rename(part, file) != 0))
        ok = err_set(e, ERR_IO, "cannot name %s: %s", file, strerror(errno));
    if (!ok && to_file)
        (void)unlink(part); /* also where there was no room for the rest */
    if (!ok)
        return false;
    fprintf(cli->talk, "%llu bytes; check them anywhere: kith ledger verify --export %s --keys ledger.vkeys\n",
            (unsigned long long)s.n, file);
    return !to_file || cli_write_said(cli, "file", file, e);
}

static bool run_export(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    (void)opts;
    return export_to(ctx, words->v[0], e);
}

static bool run_adopt(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    AUTO(buf_clear) struct buf reply = {0};
    AUTO(json_free_auto) struct json *j = NULL;
    bool was = false;
    (void)opts;
    (void)words;
    buf_init(&reply, CLI_ANSWER_MAX);
    if (!cli_call_json(cli, "POST", "/v1/ledger/adopt", NULL, 0, &reply, &j, e) ||
        !json_get_bool(j, "cleared", &was, e))
        return false;
    if (cli->g.json)
        return show_raw(cli, &reply, e);
    fputs(was ? "acknowledged\n" : "there is no such alarm\n", cli->talk);
    return true;
}

#define AT(field) .offset = offsetof(struct ledger_opts, field)
#define KEYS_ROW                                                                                                       \
    {                                                                                                                  \
        NULL, "keys", OPT_PATH, .arg = "FILE",                                                                         \
                                .help = "verifier keys that are trusted; DIR/" PATH_VKEYS " with --dir", AT(keys)      \
    }
static const struct opt prove_rows[] = {KEYS_ROW};
static const struct opt verify_rows[] = {
    {NULL, "export", OPT_PATH, .arg = "FILE", .help = "an export instead of the live database; - for stdin",
     AT(export_file)},
    {NULL, "statement", OPT_PATH, .not_with = "export", .arg = "FILE",
     .help = "a statement of kith device statement instead; wants --keys or --dir; - for stdin", AT(statement)},
    KEYS_ROW,
    {NULL, "memory", OPT_BYTES, 1 << 20, INT64_C(1) << 40, "512M", .arg = "SIZE",
     .help = "with less the log is read several times", AT(memory)},
};

#define ROWS(r) r, ARRAY_LEN(r), sizeof(struct ledger_opts)
const struct verb ledger_verbs[] = {
    {"ledger checkpoint", NULL, "sign what is there now, and print the checkpoint", NULL, 0, 1, 0, 0, run_checkpoint},
    {"ledger prove", "ENTRY", "prove that an entry stands in the signed ledger", ROWS(prove_rows), 1, 1, run_prove},
    {"ledger verify", NULL,
     "is everything there, unaltered and signed? Names each entry or row that is not\n"
     "With --export offline, anywhere; with --dir the live database, every row against its entries; "
     "with --statement offline, that a device is gone for good.",
     ROWS(verify_rows), 0, 0, ledger_run_verify},
    {"ledger adopt", NULL,
     "what was adopted at a start, since nobody had signed it, is right: ends the alarm about it\n"
     "With --dir only, on the platform's own host. Look at the entries first: the alarm names them.",
     NULL, 0, 0, 0, 0, run_adopt},
    {"ledger export", "FILE",
     "the whole ledger as a file that others can verify\n"
     "FILE is replaced if it is an earlier export or empty; - is standard output.",
     NULL, 0, 1, 1, 1, run_export},
};
const size_t ledger_verbs_n = ARRAY_LEN(ledger_verbs);

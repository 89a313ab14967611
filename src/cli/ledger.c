/* kith ledger: checkpoints, proofs, exports, and whether all of it is true. */
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
#include "store/tables.h"

#define KEYS_FILE_MAX 65536
#define PROOF_MAX     (MERKLE_PROOF_MAX * SHA256_SIZE)

/* ---- keys that are trusted ---- */

/* One verifier key a line, the log's first; '#' begins a comment line. */
static bool read_keys(const char *path, struct trusted *out, struct err *e)
{
    AUTO(buf_clear) struct buf b = {0};
    buf_init(&b, KEYS_FILE_MAX);
    if (!file_read(path, KEYS_FILE_MAX, &b, e))
        return false;
    struct slice rest = buf_slice(&b);
    while (rest.n) {
        struct slice line = slice_take_line(&rest);
        if (line.n == 0 || line.p[0] == '#')
            continue;
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

struct ledger_opts {
    const char *export_file, *keys, *out;
    int64_t memory;
};

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
    if (t->n == 0) {
        err_set(e, ERR_OPTION, "without keys that you trust nothing is proved");
        return err_try(e, "--keys FILE, a copy of the platform's " PATH_VKEYS);
    }
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

/* The file gets its name when all of it is there. */
static bool export_to(struct cli *cli, const char *file, struct err *e)
{
    struct sink s = {.fd = -1};
    bool to_file = strcmp(file, "-") != 0;
    const char *part = arena_printf(&cli->arena, "%s.part", file);
    if (!part)
        return arena_ok(&cli->arena, e);
    AUTO(file_close) int fd = to_file ? open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    if (to_file && fd < 0)
        return err_set(e, ERR_IO, "cannot write %s: %s", part, strerror(errno));
    s.fd = to_file ? fd : fileno(cli->out);
    if (!cli_fetch(cli, "/v1/ledger/export", on_data, &s, e)) {
        if (to_file)
            (void)unlink(part);
        return false;
    }
    if (s.failed) {
        *e = s.e;
        return false;
    }
    if (to_file && (fsync(fd) != 0 || rename(part, file) != 0))
        return err_set(e, ERR_IO, "cannot name %s: %s", file, strerror(errno));
    fprintf(cli->talk, "%llu bytes; check them anywhere: kith ledger verify --export %s --keys ledger.vkeys\n",
            (unsigned long long)s.n, file);
    return !to_file || cli_write_said(cli, "file", file, e);
}

static bool run_export(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    (void)opts;
    return export_to(ctx, words->v[0], e);
}

/* ---- verify ---- */

struct verifying {
    struct cli *cli;
    struct buf json; /* list of findings */
    struct json_out out;
    struct buf text;
    int shown;
    bool running; /* a server signs meanwhile */
};

static void on_finding(void *ctx, const struct finding *f)
{
    struct verifying *v = ctx;
    if (v->cli->g.json) {
        json_out_map(&v->out, NULL);
        json_out_text(&v->out, "kind", finding_name(f->kind));
        if (f->seq != ENTRY_SEQ_NONE)
            json_out_int(&v->out, "entry", (int64_t)f->seq);
        if (f->table)
            json_out_text(&v->out, "table", f->table);
        if (f->key && f->key[0])
            json_out_text(&v->out, "key", f->key);
        json_out_text(&v->out, "text", f->text);
        json_out_end(&v->out);
        return;
    }
    if (f->seq != ENTRY_SEQ_NONE)
        fprintf(v->cli->out, "entry %llu ", (unsigned long long)f->seq);
    if (f->table)
        fprintf(v->cli->out, "%s %s ", f->table, f->key ? f->key : "");
    fprintf(v->cli->out, "[%s]: %s\n", finding_name(f->kind), f->text);
}

static void on_progress(void *ctx, uint64_t done, uint64_t of)
{
    struct verifying *v = ctx;
    int percent = of ? (int)(done * 100 / of) : 100;
    if (percent == v->shown || !isatty(fileno(v->cli->talk)))
        return;
    v->shown = percent;
    fprintf(v->cli->talk, "\r%d %%%s", percent, percent == 100 ? "\n" : "");
}

static bool read_fd(void *ctx, void *p, size_t cap, size_t *n, struct err *e)
{
    const int *fd = ctx;
    ssize_t got;
    do
        got = read(*fd, p, cap);
    while (got < 0 && errno == EINTR);
    *n = got > 0 ? (size_t)got : 0;
    return got >= 0 || err_set(e, ERR_IO, "export: %s", strerror(errno));
}

bool ledger_verify_file(const char *file, const struct verify_opts *vo, struct verify_report *r, struct err *e)
{
    bool standard = strcmp(file, "-") == 0;
    AUTO(file_close) int fd = standard ? -1 : open(file, O_RDONLY | O_CLOEXEC);
    if (!standard && fd < 0)
        return err_set(e, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, "%s: %s", file, strerror(errno));
    int from = standard ? STDIN_FILENO : fd;
    return verify_export(read_fd, &from, vo, r, e) || err_ctx(e, "%s", file);
}

/* A server that writes the database signs its newest entries within a second. */
static bool is_running(struct cli *cli)
{
    AUTO(buf_clear) struct buf reply = {0};
    struct err ignored;
    buf_init(&reply, CLI_ANSWER_MAX);
    return cli_call(cli, "POST", "/v1/ledger/checkpoint", NULL, 0, &reply, &ignored);
}

static bool verify_live(struct cli *cli, const struct verify_opts *vo, struct verify_report *r, struct err *e)
{
    AUTO(db_free_auto) struct db *db = NULL;
    const struct settings *s;
    if (!cli_settings(cli, &s, e) || !settings_check_lost(s, &cli->arena, NULL, e) ||
        !db_open(s->database, false, &db, e) || !tables_check(db, e) ||
        !verify_database(db, (uint8_t)s->node, vo, r, e))
        return false;
    if (r->entries || !settings_has_signed(s, &cli->arena))
        return true;
    err_set(e, ERR_STORE_LOST, "the ledger is empty, but this platform has issued certificates");
    return err_try(e, "put the database back to its place, or restore its last copy");
}

/* The tables whose rows no entry speaks of. */
static void tell_exempt(FILE *out)
{
    fputs("not compared, each for a reason (doc/spec/ledger.md):", out);
    for (size_t i = 0; i < tables_n; i++)
        if (tables_all[i]->exempt)
            fprintf(out, " %s", tables_all[i]->name);
    fputc('\n', out);
}

static void put_exempt(struct json_out *o)
{
    json_out_list(o, "exempt");
    for (size_t i = 0; i < tables_n; i++) {
        if (!tables_all[i]->exempt)
            continue;
        json_out_map(o, NULL);
        json_out_text(o, "table", tables_all[i]->name);
        json_out_text(o, "why", tables_all[i]->exempt);
        json_out_end(o);
    }
    json_out_end(o);
}

/* `file` NULL: of the live database. */
static bool report(struct verifying *v, const struct verify_report *r, const char *file, struct err *e)
{
    if (!v->cli->g.json) {
        fprintf(v->cli->talk,
                "%s: %llu entries (%llu erased), %llu checkpoints (signed up to %llu), %llu rows compared, %llu "
                "findings\n",
                file ? file : "database", (unsigned long long)r->entries, (unsigned long long)r->erased,
                (unsigned long long)r->checkpoints, (unsigned long long)r->signed_size, (unsigned long long)r->rows,
                (unsigned long long)r->findings);
        if (r->unsigned_n)
            fprintf(v->cli->talk, "the last %llu entries are under no checkpoint that all have signed%s\n",
                    (unsigned long long)r->unsigned_n, v->running ? " yet" : "");
        if (!file)
            tell_exempt(v->cli->talk);
        if (r->keys_from_file)
            fputs("note: the keys are those in the file itself; --keys FILE says whom you trust\n", v->cli->talk);
        return true;
    }
    AUTO(buf_clear) struct buf b = {0};
    buf_init(&b, 64u << 20);
    json_out_end(&v->out);
    struct json_out o = json_out_of(&b);
    json_out_map(&o, NULL);
    json_out_int(&o, "v", 1);
    json_out_bool(&o, "ok", r->findings == 0);
    json_out_int(&o, "entries", (int64_t)r->entries);
    json_out_int(&o, "erased", (int64_t)r->erased);
    json_out_int(&o, "checkpoints", (int64_t)r->checkpoints);
    json_out_int(&o, "signed_size", (int64_t)r->signed_size);
    json_out_int(&o, "unsigned", (int64_t)r->unsigned_n);
    json_out_int(&o, "rows", (int64_t)r->rows);
    json_out_bytes(&o, "root", CODEC_HEX, SLICE_ARRAY(r->root.b));
    json_out_bool(&o, "keys_from_file", r->keys_from_file);
    if (!file)
        put_exempt(&o);
    json_out_raw(&o, "findings", buf_slice(&v->json));
    json_out_end(&o);
    buf_put_char(&b, '\n');
    return cli_write(v->cli, &b, e);
}

static bool run_verify(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    const struct ledger_opts *o = opts;
    struct trusted trusted;
    struct verifying v = {.cli = cli, .shown = -1};
    struct verify_report r;
    (void)words;
    if (!o->export_file && !cli->g.dir) {
        err_set(e, ERR_OPTION, "verify what?");
        return err_try(e, "--export FILE, or --dir DIR for the live database");
    }
    if (!ledger_find_keys(cli, o->keys, &trusted, e))
        return false;
    buf_init(&v.json, 64u << 20);
    v.out = json_out_of(&v.json);
    json_out_list(&v.out, NULL);
    struct verify_opts vo = {.crypto = &crypto_openssl,
                             .keys = trusted.keys,
                             .keys_n = trusted.n,
                             .running = !o->export_file && is_running(cli),
                             .memory_max = (size_t)o->memory,
                             .found = on_finding,
                             .progress = on_progress,
                             .ctx = &v};
    v.running = vo.running;
    bool ok = o->export_file ? ledger_verify_file(o->export_file, &vo, &r, e) : verify_live(cli, &vo, &r, e);
    ok = ok && report(&v, &r, o->export_file, e);
    buf_clear(&v.json);
    if (!ok || r.findings == 0)
        return ok;
    err_set(e, ERR_FINDINGS, "%llu findings", (unsigned long long)r.findings);
    return err_try(e, "keep the file or database as it is: it is evidence");
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
     "With --export offline, anywhere; with --dir the live database, every row against its entries.",
     ROWS(verify_rows), 0, 0, run_verify},
    {"ledger adopt", NULL,
     "what was adopted at a start, since nobody had signed it, is right: ends the alarm about it\n"
     "With --dir only, on the platform's own host. Look at the entries first: the alarm names them.",
     NULL, 0, 0, 0, 0, run_adopt},
    {"ledger export", "FILE", "the whole ledger as a file that others can verify", NULL, 0, 1, 1, 1, run_export},
};
const size_t ledger_verbs_n = ARRAY_LEN(ledger_verbs);

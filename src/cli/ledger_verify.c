/* kith ledger verify: is all of it true, in the live database or in an export? */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/client.h"
#include "cli/ledger.h"
#include "keys/crypto.h"
#include "store/tables.h"

struct verifying {
    struct cli *cli;
    struct buf json; /* list of findings */
    struct json_out out;
    int shown;
    bool running; /* a server signs meanwhile */
    bool found, only_unsigned;
};

static void on_finding(void *ctx, const struct finding *f)
{
    struct verifying *v = ctx;
    v->only_unsigned = f->kind == FINDING_UNSIGNED && (v->only_unsigned || !v->found);
    v->found = true;
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

bool ledger_run_verify(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    const struct ledger_opts *o = opts;
    struct trusted trusted;
    struct verifying v = {.cli = cli, .shown = -1};
    struct verify_report r;
    (void)words;
    if (!o->export_file && !o->statement && !cli->g.dir) {
        err_set(e, ERR_OPTION, "verify what?");
        return err_try(e, "--export FILE, --statement FILE, or --dir DIR for the live database");
    }
    if (!ledger_find_keys(cli, o->keys, &trusted, e))
        return false;
    if (o->statement)
        return ledger_verify_statement(cli, o->statement, &trusted, e);
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
    if (v.only_unsigned)
        return err_try(
            e, "if /readyz says that the checkpoint is behind (disk full, a signer away), or kithd has only just "
               "started or ended: wait until it is not, and verify again. If it stays, it is evidence: keep "
               "the database as it is");
    return err_try(e, "keep the file or database as it is: it is evidence");
}

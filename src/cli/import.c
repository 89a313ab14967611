#include "cli/import.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "base/csv.h"
#include "base/file.h"
#include "cli/client.h"
#include "cli/import_line.h"
#include "cli/token_file.h"

#define FILE_MAX    (512u << 20)
#define BATCH_BYTES (900u << 10) /* the server takes 1 MiB */
#define BATCH_LINES 1000
#define FIELDS_MAX  64
#define TRIES       5 /* of a batch while the server is away */

/* Found here; it waits for what the server finds in the lines before it, so that the file is in the order of lines. */
struct failure {
    uint64_t line;
    const char *code, *detail, *way;
};

struct import {
    struct cli *cli;
    const struct import_opts *o;
    FILE *failures;
    struct token_file tokens;
    struct slice rest;
    bool is_csv;
    uint64_t line; /* of the file, from 1 */
    struct arena titles_arena, arena;
    const char *titles[FIELDS_MAX];
    size_t titles_n;
    struct buf batch;
    uint64_t lines[BATCH_LINES]; /* where the batch's lines stand in the file */
    size_t batch_n;
    struct failure held[BATCH_LINES];
    size_t held_n, held_at;
    struct arena held_arena;
    uint64_t total, done, added, existing, failed;
    char reason[1000], way[600];          /* of the first that failed, and what to try */
    uint64_t alike;                       /* how many failed for the same reason */
    uint64_t first_waiting, last_waiting; /* the run of lines at the end of waiting_lines */
    uint64_t waiting, again;              /* known ones without a certificate, and who of them got a new token */
    struct buf waiting_lines;
};

static bool report(struct import *im, uint64_t line, const char *code, const char *detail, const char *way,
                   struct err *e)
{
    AUTO(buf_clear) struct buf b = {0};
    buf_init(&b, 65536);
    if (!im->failed++) {
        snprintf(im->reason, sizeof im->reason, "%s", detail);
        snprintf(im->way, sizeof im->way, "%s", way);
    }
    im->alike += strcmp(im->reason, detail) == 0;
    if (!im->failures && !(im->failures = fopen(im->o->failures, "w")))
        return err_set(e, ERR_IO, "cannot write %s: %s", im->o->failures, strerror(errno));
    struct json_out o = json_out_of(&b);
    json_out_map(&o, NULL);
    json_out_int(&o, "line", (int64_t)line);
    json_out_text(&o, "code", code);
    json_out_text(&o, "detail", detail);
    if (*way)
        json_out_text(&o, "try", way);
    json_out_end(&o);
    return fprintf(im->failures, "%s\n", buf_str(&b)) > 0 || err_set(e, ERR_IO, "cannot write %s", im->o->failures);
}

static bool hold(struct import *im, const struct err *bad, struct err *e)
{
    im->held[im->held_n++] = (struct failure){.line = im->line,
                                              .code = err_slug(bad->code),
                                              .detail = arena_str(&im->held_arena, slice_str(bad->what)),
                                              .way = arena_str(&im->held_arena, slice_str(bad->hint))};
    return arena_ok(&im->held_arena, e);
}

static bool report_held(struct import *im, uint64_t before, struct err *e)
{
    for (; im->held_at < im->held_n && im->held[im->held_at].line < before; im->held_at++) {
        const struct failure *f = &im->held[im->held_at];
        if (!report(im, f->line, f->code, f->detail, f->way, e))
            return false;
    }
    return true;
}

static void progress(struct import *im, bool last)
{
    if (!last && !isatty(fileno(im->cli->talk)))
        return;
    fprintf(im->cli->talk, "%s%llu of %llu: %llu added, %llu known already, %llu failed%s", last ? "" : "\r",
            (unsigned long long)im->done, (unsigned long long)im->total, (unsigned long long)im->added,
            (unsigned long long)im->existing, (unsigned long long)im->failed, last ? "\n" : "");
}

/* The last of the lines. */
static bool print_sum(struct import *im, struct err *e)
{
    AUTO(buf_clear) struct buf b = {0};
    buf_init(&b, 4096);
    struct json_out o = json_out_of(&b);
    json_out_map(&o, NULL);
    json_out_int(&o, "v", 1);
    json_out_int(&o, "added", (int64_t)im->added);
    json_out_int(&o, "existing", (int64_t)im->existing);
    json_out_int(&o, "failed", (int64_t)im->failed);
    if (im->failed)
        json_out_text(&o, "failures", im->o->failures);
    json_out_end(&o);
    buf_put_char(&b, '\n');
    return cli_write(im->cli, &b, e);
}

/* Lines for stdout, or for the file of the tokens, which has one form only. */
static bool put_lines(struct import *im, const struct buf *b, struct err *e)
{
    return im->o->out ? token_file_append(&im->tokens, buf_slice(b), e) || err_ctx(e, "%s", im->o->out)
                      : cli_write(im->cli, b, e);
}

static bool as_json(const struct import *im)
{
    return im->cli->g.json && !im->o->out;
}

/* id, serial and token of each new device, one a line. */
static bool print_added(struct import *im, const struct json *list, struct err *e)
{
    AUTO(buf_clear) struct buf b = {0};
    buf_init(&b, CLI_ANSWER_MAX);
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json *d = json_item(list, i);
        const char *id, *serial, *token = NULL;
        if (as_json(im)) {
            struct json_out o = json_out_of(&b);
            json_out_map(&o, NULL);
            json_out_int(&o, "v", 1);
            for (size_t k = 0; k < json_count(d); k++)
                json_put(&o, json_key(d, k), json_value(d, k));
            json_out_end(&o);
        } else {
            if (!json_get_text(d, "id", 64, &id, e) || !json_get_text(d, "serial", 256, &serial, e) ||
                (im->o->token && !json_get_text(d, "token", 4096, &token, e)))
                return false;
            buf_printf(&b, "%s\t%s%s%s", id, serial, token ? "\t" : "", token ? token : "");
        }
        buf_put_char(&b, '\n');
    }
    return put_lines(im, &b, e);
}

/* One that was known gets a token as `kith device token` gives it. */
static bool print_again(struct import *im, const char *id, const char *serial, struct err *e)
{
    AUTO(json_free_auto) struct json *j = NULL;
    AUTO(buf_clear) struct buf body = {0}, reply = {0}, b = {0};
    const char *token;
    buf_init(&body, 4096);
    buf_init(&reply, CLI_ANSWER_MAX);
    buf_init(&b, 65536);
    struct json_out o = json_out_of(&body);
    json_out_map(&o, NULL);
    if (im->o->expires_s)
        json_out_int(&o, "expires_s", im->o->expires_s);
    json_out_end(&o);
    if (!cli_call_json(im->cli, "POST", cli_path(im->cli, "/v1/devices/", id, "/token"), &body, 0, &reply, &j, e) ||
        !json_get_text(j, "token", 4096, &token, e))
        return err_ctx(e, "device %s", id);
    im->again++;
    if (as_json(im)) {
        o = json_out_of(&b);
        json_out_map(&o, NULL);
        json_out_int(&o, "v", 1);
        json_out_text(&o, "id", id);
        json_out_text(&o, "serial", serial);
        json_out_text(&o, "token", token);
        json_out_end(&o);
        buf_put_char(&b, '\n');
    } else {
        buf_printf(&b, "%s\t%s\t%s\n", id, serial, token);
    }
    return put_lines(im, &b, e);
}

/* Of those that have no certificate yet. */
static bool needs_token(const struct import *im, const char *id)
{
    return im->o->again || (im->o->out && !token_file_has(&im->tokens, id));
}

/* The run of lines that ends here, as "7" or "7-9". */
static void put_waiting_run(struct import *im)
{
    if (!im->first_waiting)
        return;
    buf_printf(&im->waiting_lines, "%s%llu", im->waiting_lines.n ? ", " : "", (unsigned long long)im->first_waiting);
    if (im->last_waiting != im->first_waiting)
        buf_printf(&im->waiting_lines, "-%llu", (unsigned long long)im->last_waiting);
}

static void note_waiting(struct import *im, uint64_t line)
{
    if (!im->first_waiting || line != im->last_waiting + 1) {
        put_waiting_run(im);
        im->first_waiting = line;
    }
    im->last_waiting = line;
    im->waiting++;
}

static bool read_waiting(struct import *im, const struct json *list, struct err *e)
{
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json *d = json_item(list, i);
        const char *id, *serial;
        int64_t line;
        if (!json_get_int(d, "line", 1, (int64_t)im->batch_n, &line, e) || !json_get_text(d, "id", 64, &id, e) ||
            !json_get_text(d, "serial", 256, &serial, e) || (needs_token(im, id) && !print_again(im, id, serial, e)))
            return false;
        note_waiting(im, im->lines[line - 1]);
    }
    return true;
}

static bool read_answer(struct import *im, const struct json *j, struct err *e)
{
    const struct json *failed, *devices, *waiting = NULL;
    const char *model;
    int64_t added, existing, line;
    if (!json_get_int(j, "added", 0, BATCH_LINES, &added, e) ||
        !json_get_int(j, "existing", 0, BATCH_LINES, &existing, e) || !json_get_list(j, "failed", &failed, e) ||
        !json_get_list(j, "devices", &devices, e) ||
        (json_has(j, "waiting") && !json_get_list(j, "waiting", &waiting, e)))
        return false;
    if (json_has(j, "model_added")) {
        if (!json_get_text(j, "model_added", 256, &model, e))
            return false;
        fprintf(im->cli->talk, "model \"%s\" is new, with default settings (kith model set); it is the first here\n",
                model);
    }
    im->added += (uint64_t)added;
    im->existing += (uint64_t)existing;
    for (size_t i = 0; i < json_count(failed); i++) {
        const char *code, *detail, *way = "";
        const struct json *f = json_item(failed, i);
        if (!json_get_int(f, "line", 1, (int64_t)im->batch_n, &line, e) || !json_get_text(f, "code", 100, &code, e) ||
            !json_get_text(f, "detail", 1000, &detail, e) ||
            (json_has(f, "try") && !json_get_text(f, "try", 600, &way, e)) ||
            !report_held(im, im->lines[line - 1], e) || !report(im, im->lines[line - 1], code, detail, way, e))
            return false;
    }
    return print_added(im, devices, e) && (!waiting || read_waiting(im, waiting, e));
}

static bool send_batch(struct import *im, struct err *e)
{
    AUTO(buf_clear) struct buf reply = {0};
    buf_init(&reply, CLI_ANSWER_MAX);
    for (int try = 1; im->batch_n; try++) {
        AUTO(json_free_auto) struct json *j = NULL;
        if (cli_call_lines(im->cli, "/v1/devices/batch", &im->batch, &reply, &j, e)) {
            if (!read_answer(im, j, e))
                return false;
            break;
        }
        if (err_class_of(e->code) != ERR_CLASS_UNAVAILABLE || try == TRIES) {
            err_ctx(e, "after %llu of %llu lines", (unsigned long long)im->done, (unsigned long long)im->total);
            return err_try(e, "the same command again: what is known already is skipped");
        }
        nanosleep(&(struct timespec){.tv_sec = try}, NULL);
    }
    if (!report_held(im, UINT64_MAX, e))
        return false;
    im->done += im->batch_n;
    im->batch_n = im->held_n = im->held_at = 0;
    buf_reset(&im->batch);
    arena_clear(&im->held_arena);
    progress(im, false);
    return true;
}

/* The next line of the file as JSON; *skip for an empty one.  Errors are of the line, not of the run. */
static bool next_line(struct import *im, struct buf *out, bool *skip, struct err *e)
{
    const char *fields[FIELDS_MAX];
    size_t n;
    *skip = false;
    im->line++;
    if (!im->is_csv) {
        struct slice line = slice_take_line(&im->rest);
        while (line.n && memchr(" \t\r", line.p[line.n - 1], 3))
            line.n--;
        *skip = line.n == 0;
        return *skip || import_line_of_json(line, im->o, out, e);
    }
    arena_clear(&im->arena);
    if (!csv_record(&im->rest, &im->arena, fields, FIELDS_MAX, &n, e)) {
        (void)slice_take_line(&im->rest);
        return false;
    }
    *skip = n == 1 && !fields[0][0];
    if (*skip)
        return true;
    if (n != im->titles_n)
        return err_set(e, ERR_SYNTAX, "%zu fields, but there are %zu titles", n, im->titles_n);
    return import_line_of_csv(im->titles, fields, n, im->o, &im->arena, out, e);
}

static bool is_once(const char *const *titles, size_t at, struct err *e)
{
    for (size_t i = 0; i < at; i++)
        if (strcmp(titles[i], titles[at]) == 0) {
            err_set(e, ERR_SYNTAX, "column \"%s\" comes twice", ERR_QUOTE(slice_str(titles[at])));
            return err_try(e, "one column of each name; several tags in tag:NAME columns");
        }
    return true;
}

static bool start_csv(struct import *im, struct err *e)
{
    if (im->rest.n >= 3 && memcmp(im->rest.p, "\xef\xbb\xbf", 3) == 0) /* a spreadsheet's byte order mark */
        im->rest = slice_of(im->rest.p + 3, im->rest.n - 3);
    if (!csv_record(&im->rest, &im->titles_arena, im->titles, FIELDS_MAX, &im->titles_n, e))
        return err_ctx(e, "%s: titles", im->o->file);
    im->line = 1;
    if (!im->rest.n) {
        err_set(e, ERR_OPTION, "%s: no device stands in it", im->o->file);
        return err_try(e, "a line of titles, then a line for each device");
    }
    for (size_t i = 0; i < im->titles_n; i++)
        if (!import_line_check_title(im->titles[i], e) || !is_once(im->titles, i, e))
            return err_ctx(e, "%s", im->o->file);
    return true;
}

static bool run(struct import *im, struct err *e)
{
    AUTO(buf_clear) struct buf line = {0};
    buf_init(&line, IMPORT_LINE_MAX);
    if (!im->rest.n) {
        err_set(e, ERR_OPTION, "%s is empty", im->o->file);
        return err_try(e, "a line of titles, such as model,serial, then a line for each device");
    }
    for (size_t i = 0; i < im->rest.n; i++)
        im->total += im->rest.p[i] == '\n';
    im->total += im->rest.n && im->rest.p[im->rest.n - 1] != '\n';
    im->total -= im->is_csv && im->total;
    if (im->is_csv && !start_csv(im, e))
        return false;
    while (im->rest.n) {
        struct err bad = {0};
        bool skip;
        buf_reset(&line);
        if (!next_line(im, &line, &skip, &bad)) {
            im->done++;
            if (!hold(im, &bad, e) || (im->held_n == BATCH_LINES && !send_batch(im, e)))
                return false;
            continue;
        }
        if (skip) {
            im->total -= im->total > 0;
            continue;
        }
        if (im->batch.n + line.n + 1 > BATCH_BYTES && im->batch_n && !send_batch(im, e))
            return false;
        buf_put(&im->batch, buf_slice(&line));
        buf_put_char(&im->batch, '\n');
        im->lines[im->batch_n++] = im->line;
        if (im->batch_n == BATCH_LINES && !send_batch(im, e))
            return false;
    }
    return send_batch(im, e);
}

bool import_devices(struct cli *cli, const struct import_opts *o, struct err *e)
{
    AUTO(buf_clear) struct buf file = {0};
    buf_init(&file, FILE_MAX);
    if (!cli_read_input(o->file, &file, e))
        return false;
    struct import im = {.cli = cli, .o = o, .tokens.fd = -1, .rest = buf_slice(&file)};
    if (o->out && !token_file_open(o->out, &im.tokens, e))
        return false;
    size_t first = strspn(buf_str(&file), " \t\r\n");
    im.is_csv = file.n && file.p[first] != '{';
    arena_init(&im.titles_arena, IMPORT_LINE_MAX);
    arena_init(&im.arena, IMPORT_LINE_MAX);
    arena_init(&im.held_arena, IMPORT_LINE_MAX);
    buf_init(&im.batch, 1u << 20);
    buf_init(&im.waiting_lines, 64u << 20);
    struct err ignored;
    bool ok = run(&im, e);
    if (!ok)
        (void)report_held(&im, UINT64_MAX, &ignored);
    put_waiting_run(&im);
    if (ok)
        progress(&im, true);
    ok = ok && (!cli->g.json || print_sum(&im, e));
    if (im.failures && fclose(im.failures) != 0 && ok)
        ok = err_set(e, ERR_IO, "cannot write %s: %s", o->failures, strerror(errno));
    if (ok && im.again)
        fprintf(cli->talk, "%llu that were known got a new token; the ones before are void\n",
                (unsigned long long)im.again);
    else if (ok && im.waiting)
        fprintf(cli->talk,
                "%llu that were known have no certificate yet and keep their tokens; lines %s\n"
                "if those tokens are lost: the same command with --again, or kith device token SERIAL\n",
                (unsigned long long)im.waiting, buf_str(&im.waiting_lines));
    if (ok && im.failed) {
        /* One reason for most of them is worth more than the place of the list. */
        if (2 * im.alike > im.failed)
            fprintf(cli->talk, "%llu of the %llu: %s\n%s%s%s", (unsigned long long)im.alike,
                    (unsigned long long)im.failed, im.reason, im.way[0] ? "try: " : "", im.way, im.way[0] ? "\n" : "");
        fprintf(cli->talk, "what failed stands in %s\n", o->failures);
        cli->exit_code = EXIT_PARTLY;
    }
    token_file_close(&im.tokens);
    buf_clear(&im.batch);
    buf_clear(&im.waiting_lines);
    arena_clear(&im.arena);
    arena_clear(&im.held_arena);
    arena_clear(&im.titles_arena);
    return ok;
}

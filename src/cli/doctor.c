/* kith doctor: is everything in order here?  What only the running server knows, it is asked for.  Looks, changes nothing, and
 * judges with the rights that the server has. */
#include "cli/doctor.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/as_user.h"
#include "base/file.h"
#include "base/nearest.h"
#include "cli/client.h"

#define CHECKS_MAX 64

struct report {
    struct buf text;
    struct json_out o;
    size_t failed, done;
};

static void put(struct cli *cli, struct report *r, const char *name, const struct doctor_finding *f)
{
    r->failed += f->failed;
    r->done++;
    if (cli->g.json) {
        json_out_map(&r->o, NULL);
        json_out_text(&r->o, "name", name);
        json_out_bool(&r->o, "ok", !f->failed);
        if (f->skipped)
            json_out_bool(&r->o, "skipped", true);
        if (f->warns)
            json_out_bool(&r->o, "warning", true);
        json_out_text(&r->o, "detail", f->detail);
        if (f->hint[0])
            json_out_text(&r->o, "try", f->hint);
        json_out_end(&r->o);
        return;
    }
    const char *mark = f->failed ? "FAIL" : f->warns ? "warn" : f->skipped ? "-" : "ok";
    buf_printf(&r->text, "%-5s %-16s %s\n", mark, name, f->detail);
    if (f->hint[0])
        buf_printf(&r->text, "      try: %s\n", f->hint);
}

#define SERVER "server/"

/* What only the running server knows: its checks, or NULL if it does not run or answer (the check "server" says so). */
static const struct json *ask_server(struct doctor *d, struct json **answer)
{
    AUTO(buf_clear) struct buf reply = {0};
    const struct json *list;
    buf_init(&reply, CLI_ANSWER_MAX);
    if (!cli_ask(d->cli, "/v1/doctor", &reply, answer, &d->mute) || !json_get_list(*answer, "checks", &list, &d->mute))
        return NULL;
    return list;
}

static const char *server_check(struct cli *cli, const struct json *list, size_t i)
{
    const char *name;
    if (i >= json_count(list) || i >= CHECKS_MAX || !json_get_text(json_item(list, i), "name", 64, &name, NULL))
        return NULL;
    return arena_printf(&cli->arena, SERVER "%s", name);
}

static bool wanted(const struct args_words *words, const char *name)
{
    for (size_t i = 0; i < words->n; i++)
        if (strcmp(words->v[i], name) == 0)
            return true;
    return words->n == 0;
}

static void put_server(struct cli *cli, const struct args_words *words, const struct json *list, struct report *r)
{
    struct err e;
    const char *name, *text;
    for (size_t i = 0; (name = server_check(cli, list, i)); i++) {
        const struct json *c = json_item(list, i);
        struct doctor_finding f = {0};
        bool ok;
        if (!wanted(words, name) || !json_get_bool(c, "ok", &ok, &e))
            continue;
        f.failed = !ok;
        if (json_has(c, "warning") && !json_get_bool(c, "warning", &f.warns, &e))
            continue;
        if (json_has(c, "detail") && json_get_text(c, "detail", sizeof f.detail - 1, &text, &e))
            doctor_fine(&f, "%s", text);
        if (json_has(c, "try") && json_get_text(c, "try", sizeof f.hint - 1, &text, &e))
            snprintf(f.hint, sizeof f.hint, "%s", text);
        put(cli, r, name, &f);
    }
}

static bool check_word(struct cli *cli, const char *word, const struct json *server, struct err *e)
{
    struct nearest near = nearest_of(slice_str(word));
    const char *name;
    bool known = false;
    for (size_t k = 0; k < doctor_checks_n; k++) {
        known = known || strcmp(doctor_checks[k].name, word) == 0;
        nearest_offer(&near, doctor_checks[k].name);
    }
    for (size_t k = 0; (name = server_check(cli, server, k)); k++) {
        known = known || strcmp(name, word) == 0;
        nearest_offer(&near, name);
    }
    if (known)
        return true;
    if (!server && strncmp(word, SERVER, sizeof SERVER - 1) == 0) {
        err_set(e, ERR_UNAVAILABLE, "\"%s\" is for the running server to say, and it does not answer",
                ERR_QUOTE(slice_str(word)));
        return err_try(e, "kith doctor server");
    }
    err_set(e, ERR_OPTION, "there is no check \"%s\"", ERR_QUOTE(slice_str(word)));
    return err_try(e, "%s", nearest_word(&near) ? nearest_word(&near) : "kith doctor runs all");
}

static bool finish(struct cli *cli, struct report *r, struct err *e)
{
    if (cli->g.json) {
        AUTO(buf_clear) struct buf b = {0};
        buf_init(&b, 1 << 20);
        json_out_end(&r->o);
        struct json_out o = json_out_of(&b);
        json_out_map(&o, NULL);
        json_out_int(&o, "v", 1);
        json_out_bool(&o, "ok", r->failed == 0);
        json_out_raw(&o, "checks", buf_slice(&r->text));
        json_out_end(&o);
        buf_put_char(&b, '\n');
        if (!cli_write(cli, &b, e))
            return false;
    } else if (!cli_write(cli, &r->text, e)) {
        return false;
    }
    return r->failed == 0 || err_set(e, ERR_CHECKS, "%zu of %zu checks failed", r->failed, r->done);
}

struct doctor_opts {
    bool list;
};
static const struct opt doctor_rows[] = {
    {NULL, "list", OPT_BOOL, .help = "say what there is to check, and check nothing",
     .offset = offsetof(struct doctor_opts, list)},
};

static bool list_checks(struct cli *cli, struct err *e)
{
    AUTO(buf_clear) struct buf b = {0};
    buf_init(&b, 65536);
    struct json_out o = json_out_of(&b);
    if (cli->g.json) {
        json_out_map(&o, NULL);
        json_out_int(&o, "v", 1);
        json_out_map(&o, "checks");
    }
    for (size_t i = 0; i < doctor_checks_n; i++)
        if (cli->g.json)
            json_out_text(&o, doctor_checks[i].name, doctor_checks[i].help);
        else
            buf_printf(&b, "%-12s %s\n", doctor_checks[i].name, doctor_checks[i].help);
    if (cli->g.json) {
        json_out_end(&o);
        json_out_end(&o);
        buf_put_char(&b, '\n');
    }
    return cli_write(cli, &b, e);
}

/* ---- with whose rights ---- */

struct judging {
    struct doctor *d;
    const struct args_words *words;
    struct doctor_finding *found; /* one for each check, in shared memory */
};

static int judge(void *ctx)
{
    struct judging *j = ctx;
    for (size_t i = 0; i < doctor_checks_n; i++) {
        if (!wanted(j->words, doctor_checks[i].name) || doctor_checks[i].as_asker)
            continue;
        doctor_checks[i].run(j->d, &j->found[i]);
        j->found[i].done = true;
    }
    return 0;
}

/* What a signer keeps for itself is its own user's. */
static uid_t owner_of(struct doctor *d)
{
    struct stat st;
    return stat(doctor_path(d, PATH_SIGNERS), &st) == 0 || stat(d->s->dir, &st) == 0 ? st.st_uid : geteuid();
}

/* A check by root, who may read all, would find nothing of what stops a server that may not. */
static void judge_as_owner(struct judging *j)
{
    uid_t owner = owner_of(j->d);
    struct err e;
    int status;
    if (geteuid() != 0 && geteuid() != owner)
        fprintf(j->d->cli->talk, "judged with the rights of user %u: what kithd may, only user %u and root can try\n",
                (unsigned)geteuid(), (unsigned)owner);
    if (as_user_run(owner, judge, j, &status, &e))
        return;
    for (size_t i = 0; i < doctor_checks_n; i++) /* the one that it was at */
        if (wanted(j->words, doctor_checks[i].name) && !doctor_checks[i].as_asker && !j->found[i].done) {
            doctor_bad_err(&j->found[i], &e, "kith explain child-start");
            return;
        }
}

static void put_checks(struct judging *j, struct report *r)
{
    for (size_t i = 0; i < doctor_checks_n; i++) {
        const struct doctor_check *c = &doctor_checks[i];
        struct doctor_finding *f = &j->found[i];
        if (!wanted(j->words, c->name))
            continue;
        if (c->as_asker)
            c->run(j->d, f);
        else if (!f->done && !f->failed)
            doctor_skip(f, "not judged, for the one before broke off");
        put(j->d->cli, r, c->name, f);
    }
}

static bool run_checks(struct doctor *d, const struct args_words *words, struct report *r, struct err *e)
{
    struct judging j = {.d = d, .words = words};
    size_t size = doctor_checks_n * sizeof *j.found;
    j.found = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (j.found == MAP_FAILED)
        return err_set(e, ERR_NOMEM, "cannot share memory: %m");
    judge_as_owner(&j);
    put_checks(&j, r);
    munmap(j.found, size);
    return true;
}

static bool run_doctor(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    const struct doctor_opts *o = opts;
    if (o->list)
        return list_checks(cli, e);
    struct doctor d = {.cli = cli, .now = env_now_s(&cli->env)};
    struct report r = {0};
    AUTO(json_free_auto) struct json *answer = NULL;
    if (!cli_settings(cli, &d.s, e))
        return false;
    d.running = file_exists(d.s->socket);
    const struct json *server = d.running ? ask_server(&d, &answer) : NULL;
    for (size_t i = 0; i < words->n; i++)
        if (!check_word(cli, words->v[i], server, e))
            return false;
    buf_init(&r.text, 1 << 20);
    r.o = json_out_of(&r.text);
    if (cli->g.json)
        json_out_list(&r.o, NULL);
    bool ok = run_checks(&d, words, &r, e);
    put_server(cli, words, server, &r);
    ok = ok && finish(cli, &r, e);
    buf_clear(&r.text);
    return ok;
}

const struct verb doctor_verbs[] = {
    {"doctor", "[CHECK...]",
     "is everything in order on this machine?\n"
     "Those named, or all (--list), and what the running server knows of itself (server/NAME). Exit code 1 if one "
     "fails.",
     doctor_rows, ARRAY_LEN(doctor_rows), sizeof(struct doctor_opts), 0, 64, run_doctor},
};
const size_t doctor_verbs_n = ARRAY_LEN(doctor_verbs);

#include "agent/verbs.h"
#include "keys/p11.h"

bool session_read_conf(struct session *s, struct err *e)
{
    char path[STATE_PATH_MAX];
    arena_init(&s->arena, 256 << 10);
    if (conf_read(state_path(&s->state, CONF_FILE, path), &s->arena, &s->conf, e))
        return true;
    return e->hint[0] ? false : err_try(e, "correct that line, or restore " CONF_FILE);
}

static bool open_token(struct session *s, struct err *e)
{
    char mark[STATE_PATH_MAX];
    const struct conf *c = &s->conf;
    return strcmp(c->store, "file") == 0 ||
           p11_open_for(c->store, c->module, c->pin_file, state_path(&s->state, "pin-refused", mark), &s->p11, e);
}

void session_aim(struct session *s)
{
    s->est.url = s->conf.url;
    s->est.key_store = strcmp(s->conf.store, "file") == 0 ? "file" : "pkcs11";
    if (!conf_is_enrolled(&s->conf, s->est.root_sha256))
        s->est.url = "";
}

bool session_ready(struct session *s, const struct program *p, struct err *e)
{
    session_aim(s);
    s->agent = (struct agent){.env = &p->env,
                              .state = &s->state,
                              .conf = &s->conf,
                              .arena = &s->arena,
                              .keys = {.passphrase_file = s->conf.passphrase_file},
                              .platform = est_platform(&s->est)};
    if (!open_token(s, e))
        return false;
    s->agent.keys.p11 = s->p11;
    return true;
}

void session_leave_token(struct session *s)
{
    p11_free(s->p11);
    s->p11 = s->agent.keys.p11 = NULL;
}

void session_close(struct session *s)
{
    session_leave_token(s);
    state_close(&s->state);
    arena_clear(&s->arena);
}

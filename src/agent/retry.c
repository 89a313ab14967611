#include "agent/retry.h"

#define FIRST_MS 5000
#define LAST_MS  3600000

void retry_done(struct retry *r)
{
    *r = (struct retry){0};
}

void retry_later(struct retry *r, const struct env *env, int64_t after_s, int64_t left_s)
{
    uint16_t chance = 0;
    struct err ignored;
    int64_t ms = FIRST_MS << (r->failures < 10 ? r->failures : 10);
    ms = ms > LAST_MS ? LAST_MS : ms;
    if (left_s > 0 && ms > left_s * 1000 / 20)
        ms = left_s * 1000 / 20;
    ms = ms < FIRST_MS ? FIRST_MS : ms;
    (void)!env_random(env, &chance, sizeof chance, &ignored);
    ms = ms / 2 + ms / 2 * chance / 65536;
    if (after_s > 0) /* and not all at that very second */
        ms = after_s * 1000 + ms / 5;
    r->failures++;
    r->at_ms = env_mono_ms(env) + ms;
}

bool retry_is_due(const struct retry *r, const struct env *env)
{
    return env_mono_ms(env) >= r->at_ms;
}

bool retry_helps(const struct err *e)
{
    enum err_class c = err_class_of(e->code);
    return c == ERR_CLASS_UNAVAILABLE || c == ERR_CLASS_RATE;
}

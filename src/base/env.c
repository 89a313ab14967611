#include "base/env.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

int64_t env_now_s(const struct env *env)
{
    int64_t ms = env_now_ms(env);
    return (ms >= 0 ? ms : ms - 999) / 1000;
}

int64_t env_now_ms(const struct env *env)
{
    return env->now_ms(env->ctx);
}

int64_t env_mono_ms(const struct env *env)
{
    return env->mono_ms(env->ctx);
}

bool env_random(const struct env *env, void *dst, size_t n, struct err *e)
{
    return env->random(env->ctx, dst, n, e);
}

static int64_t clock_ms(clockid_t id)
{
    struct timespec t = {0};
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t real_now_ms(void *ctx)
{
    (void)ctx;
    return clock_ms(CLOCK_REALTIME);
}

static int64_t real_mono_ms(void *ctx)
{
    (void)ctx;
    return clock_ms(CLOCK_BOOTTIME); /* goes on while the machine sleeps */
}

static bool real_random(void *ctx, void *dst, size_t n, struct err *e)
{
    (void)ctx;
    for (uint8_t *p = dst; n;) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            memset(dst, 0, (size_t)(p - (uint8_t *)dst) + n);
            return err_set(e, ERR_UNAVAILABLE, "the kernel gives no random bytes: %m");
        }
        p += got;
        n -= (size_t)got;
    }
    return true;
}

void env_init_real(struct env *env, struct log *log)
{
    *env = (struct env){.now_ms = real_now_ms, .mono_ms = real_mono_ms, .random = real_random, .log = log};
}

static int64_t script_now_ms(void *ctx)
{
    const struct env_script *s = ctx;
    return s->now_ms;
}

static int64_t script_mono_ms(void *ctx)
{
    const struct env_script *s = ctx;
    return s->mono_ms;
}

/* splitmix64: well spread, and the same everywhere. */
static bool script_random(void *ctx, void *dst, size_t n, struct err *e)
{
    struct env_script *s = ctx;
    if (s->random_fails) {
        memset(dst, 0, n);
        return err_set(e, ERR_UNAVAILABLE, "no random bytes, says the script");
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t z = s->seed += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        ((uint8_t *)dst)[i] = (uint8_t)(z ^ z >> 31);
    }
    return true;
}

void env_init_script(struct env *env, struct env_script *script, struct log *log)
{
    *env = (struct env){
        .now_ms = script_now_ms, .mono_ms = script_mono_ms, .random = script_random, .log = log, .ctx = script};
}

void env_script_pass(struct env_script *script, int64_t ms)
{
    script->now_ms += ms;
    script->mono_ms += ms;
}

/* What code below floor 5 gets from the world: clock, randomness, log.  Handed in, so that tests are deterministic.  The
 * struct is read-only after its setting up and may be shared by threads; the scripted one belongs to one thread. */
#ifndef KITH_BASE_ENV_H
#define KITH_BASE_ENV_H

#include "core/err.h"

struct log;

struct env {
    int64_t (*now_ms)(void *ctx);  /* wall clock, Unix milliseconds */
    int64_t (*mono_ms)(void *ctx); /* never goes back; no defined start */
    bool (*random)(void *ctx, void *dst, size_t n, struct err *e);
    struct log *log; /* NULL: nothing is logged */
    void *ctx;
};

int64_t env_now_s(const struct env *env);
int64_t env_now_ms(const struct env *env);
int64_t env_mono_ms(const struct env *env);
/* Errors: unavailable (the kernel has no randomness). */
MUST_USE bool env_random(const struct env *env, void *dst, size_t n, struct err *e);

void env_init_real(struct env *env, struct log *log);

/* For tests: time stands until the script moves it; randomness is a fixed stream of the seed. */
struct env_script {
    int64_t now_ms, mono_ms;
    uint64_t seed;
    bool random_fails;
};
void env_init_script(struct env *env, struct env_script *script, struct log *log);
void env_script_pass(struct env_script *script, int64_t ms); /* both clocks go on */

#endif

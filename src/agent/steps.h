/* What the agent does, step by step, over a state directory and a platform.  Each function looks at the state, carries on
 * wherever the last attempt stopped (a failure, a crash, a power cut) and returns when it is done or cannot go on now.
 *
 * `reached` is called behind each step; a test ends the process there. */
#ifndef KITH_AGENT_STEPS_H
#define KITH_AGENT_STEPS_H

#include "agent/platform.h"
#include "base/env.h"
#include "model/token.h"

#define AGENT_STEPS(X)                                                                                                 \
    X(CONF, "agent.conf says which platform and device")                                                               \
    X(CLAIM, "the claim is kept")                                                                                      \
    X(ROOT, "the root is kept")                                                                                        \
    X(SLOT, "a slot says where its key will be")                                                                       \
    X(NEXT, "next points to the slot")                                                                                 \
    X(KEY, "the key is made")                                                                                          \
    X(ASKED, "the platform has answered, nothing is kept")                                                             \
    X(CERT, "the certificate is kept")                                                                                 \
    X(PROVEN, "the new credential was used once")                                                                      \
    X(CURRENT, "current points to it")                                                                                 \
    X(CLAIM_USED, "the claim is remembered as used")                                                                   \
    X(CLAIM_GONE, "the claim is removed")                                                                              \
    X(NEXT_GONE, "next is removed")                                                                                    \
    X(OLD_GONE, "the old credential is destroyed")                                                                     \
    X(RETIRED, "the device is marked as gone")                                                                         \
    X(WIPED, "one credential is wiped")

enum agent_step {
#define AGENT_STEP_ID(id, text) STEP_##id,
    AGENT_STEPS(AGENT_STEP_ID)
#undef AGENT_STEP_ID
        STEP_COUNT
};

struct agent {
    const struct env *env;
    struct state *state;
    struct conf *conf;
    struct arena *arena; /* of conf */
    struct key_env keys;
    struct platform platform;
    void (*reached)(void *ctx, enum agent_step step);
    void *reached_ctx;
    int64_t retry_after_s; /* what the platform said last */
    bool told_to_wipe;     /* in its answer to a certificate of ours */
    struct platform_hello hello;
};

/* Takes a token into the state.  Errors: ERR_AGENT_ENROLLED if it is for another device than the one that is enrolled,
 * ERR_CLAIM_USED if its claim was used here. */
MUST_USE bool agent_take_token(struct agent *a, const struct token *t, struct err *e);
/* True if there is a claim that has not paid for a credential yet. */
bool agent_has_claim(const struct agent *a);
/* True if there is a new credential to be got or a half-got one to go on with, whatever the time. */
bool agent_is_half_way(const struct agent *a);
/* Gets, proves and installs a credential: by the claim if there is one, else by renewal of the current one.
 * Errors: ERR_AGENT_NOT_ENROLLED, ERR_AGENT_PENDING (ask again in a->retry_after_s), what the platform says; if that is
 * ERR_DEVICE_RETIRED to a certificate of ours, the state was wiped; a claim that was refused for good is removed. */
MUST_USE bool agent_obtain(struct agent *a, struct err *e);
/* Shows the current credential to the platform; a->hello has the answer. */
MUST_USE bool agent_say_hello(struct agent *a, struct err *e);
/* Gives up a credential that does not prove itself, unless it hangs on a claim, so that the next attempt begins anew. */
MUST_USE bool agent_drop_next(struct agent *a, struct err *e);
/* What crashes left: an installation or a wipe that did not end, slots that nothing points to. */
MUST_USE bool agent_tidy(struct agent *a, struct err *e);
/* Destroys every key and certificate, for good. */
MUST_USE bool agent_wipe(struct agent *a, const char *why, struct err *e);
bool agent_is_retired(const struct agent *a);

#endif

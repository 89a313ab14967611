/* How the signers are, asked once a second, for /readyz, status and doctor; their coming and going is entered in the ledger. */
#ifndef KITH_SERVER_SIGNERS_H
#define KITH_SERVER_SIGNERS_H

#include "server/app.h"

struct signer_state {
    bool answers;
    uint64_t issued, refused, uncovered;
    char token[16]; /* "none", "healthy", "degraded", "down" */
    char fault[96];
};
enum { SIGNER_ISSUING, SIGNER_LEDGER, SIGNERS };

/* Asks both; from the main thread. */
void signers_poll(struct app *app);
void signers_state(struct signer_state out[SIGNERS]);
const char *signer_name(int i);

#endif

#include "server/live_certs.h"

#include "core/crl_reason.h"

#define PAGE 16 /* that are looked up at once */

/* What does not count beside $4: all but the $7 that come first, the one that is shown ($5) and then the newest. */
static const struct sql sql_beyond = {
    "SELECT id, issued_at FROM certificate WHERE subject = $1 AND subject_kind = $2 AND revoked_at IS NULL "
    "AND not_after >= $3 AND hold = 0 AND id <> $4 ORDER BY id = $5 DESC, issued_at DESC, id DESC LIMIT $6 OFFSET $7"};

#define BEYOND_ARGS(tx, is, page)                                                                                      \
    {                                                                                                                  \
        value_text((is)->subject), value_int(CERT_DEVICE), value_int(tx_now_ms(tx) / 1000), value_int((is)->cert_id),  \
            value_int((is)->shown_id), value_int(page), value_int((is)->live_max - 1)                                  \
    }

bool live_certs_check(struct tx *tx, struct issuance *is, struct err *e)
{
    const struct value args[] = BEYOND_ARGS(tx, is, 1);
    AUTO(rows_close) struct rows r = {0};
    err_clear(e);
    if (!db_query_row(tx_db(tx), &sql_beyond, args, ARRAY_LEN(args), &r, e))
        return e->code == ERR_NONE;
    int64_t left = rows_int(&r, 1) + LIVE_CERTS_ROOM_S - tx_now_ms(tx) / 1000;
    if (left <= 0)
        return true;
    is->again_s = left;
    err_set(e, ERR_LIVE_CERTIFICATES, "device %s has %d good certificates, and is given no more at this pace",
            is->subject, is->live_max);
    err_why(e, "live_certificates of model %s is %d, and what is younger than an hour makes no room", is->model,
            is->live_max);
    return err_try(e, "ask again in %lld minutes; or kith model set %s live_certificates=N, on the platform",
                   (long long)(left + 59) / 60, is->model);
}

bool live_certs_keep(struct tx *tx, struct issuance *is, struct err *e)
{
    const struct value args[] = BEYOND_ARGS(tx, is, PAGE);
    const struct cert_act act = {.kind = MARK_REVOKE,
                                 .reason = CRL_REASON_SUPERSEDED,
                                 .who = "system:server",
                                 .why = "made room: of one device no more are good at once than its model says"};
    int64_t ids[PAGE];
    size_t n;
    do { /* whoever is revoked is not found again */
        if (!db_query_ints(tx_db(tx), &sql_beyond, args, ARRAY_LEN(args), ids, PAGE, &n, e))
            return false;
        for (size_t i = 0; i < n; i++)
            if (!cert_act(tx, &act, ids[i], &is->marks, e))
                return false;
    } while (n == PAGE);
    return true;
}

#include "store/tables.h"

#include "store/db_ops.h"

/* ---- descriptors ---- */

#define INT(n)                                                                                                         \
    {                                                                                                                  \
        n, VALUE_INT, false                                                                                            \
    }
#define TEXT(n)                                                                                                        \
    {                                                                                                                  \
        n, VALUE_TEXT, false                                                                                           \
    }
#define BLOB(n)                                                                                                        \
    {                                                                                                                  \
        n, VALUE_BLOB, false                                                                                           \
    }
#define INT_NULL(n)                                                                                                    \
    {                                                                                                                  \
        n, VALUE_INT, true                                                                                             \
    }
#define TEXT_NULL(n)                                                                                                   \
    {                                                                                                                  \
        n, VALUE_TEXT, true                                                                                            \
    }
#define BLOB_NULL(n)                                                                                                   \
    {                                                                                                                  \
        n, VALUE_BLOB, true                                                                                            \
    }
#define COLUMNS(...) ((const struct column[]){__VA_ARGS__})

/* clang-format off */
const struct table table_model = {1, "model", COLUMNS(
    [MODEL_NAME] = TEXT("name"), [MODEL_SETTINGS] = TEXT("settings"), [MODEL_CREATED_AT] = INT("created_at"),
), MODEL_COLS, 1, 1, NULL};

const struct table table_device = {2, "device", COLUMNS(
    [DEVICE_ID] = TEXT("id"), [DEVICE_MODEL] = TEXT("model"), [DEVICE_SERIAL] = TEXT("serial"),
    [DEVICE_STATE] = INT("state"), [DEVICE_OWNER] = TEXT_NULL("owner"), [DEVICE_CREATED_AT] = INT("created_at"),
    [DEVICE_UPDATED_AT] = INT("updated_at"), [DEVICE_TAGS] = TEXT_NULL("tags"),
    [DEVICE_LOCK_REASON] = TEXT_NULL("lock_reason"), [DEVICE_CLAIM_DIGEST] = BLOB_NULL("claim_digest"),
    [DEVICE_CLAIM_NONCE] = BLOB_NULL("claim_nonce"), [DEVICE_CLAIM_EXPIRES_AT] = INT_NULL("claim_expires_at"),
    [DEVICE_CLAIM_USED_AT] = INT_NULL("claim_used_at"), [DEVICE_CLAIM_SPKI64] = INT_NULL("claim_spki64"),
), DEVICE_COLS, 1, DEVICE_STATE, NULL};

const struct table table_certificate = {3, "certificate", COLUMNS(
    [CERTIFICATE_ID] = INT("id"), [CERTIFICATE_TAIL] = BLOB("serial_tail"), [CERTIFICATE_SUBJECT] = TEXT_NULL("subject"),
    [CERTIFICATE_SUBJECT_KIND] = INT("subject_kind"), [CERTIFICATE_PROFILE] = TEXT("profile"),
    [CERTIFICATE_SPKI] = BLOB("spki"), [CERTIFICATE_SPKI64] = INT_NULL("spki64"),
    [CERTIFICATE_NOT_BEFORE] = INT("not_before"), [CERTIFICATE_NOT_AFTER] = INT("not_after"),
    [CERTIFICATE_REVOKED_AT] = INT_NULL("revoked_at"), [CERTIFICATE_REASON] = INT_NULL("reason"),
    [CERTIFICATE_HOLD] = INT("hold"), [CERTIFICATE_BASE] = INT_NULL("base"), [CERTIFICATE_DER] = BLOB("der"),
    [CERTIFICATE_ISSUED_AT] = INT("issued_at"),
), CERTIFICATE_COLS, 1, CERTIFICATE_SPKI64, NULL};

const struct table table_operator = {6, "operator", COLUMNS(
    [OPERATOR_NAME] = TEXT("name"), [OPERATOR_ROLE] = TEXT("role"), [OPERATOR_SPKI] = BLOB_NULL("spki"),
    [OPERATOR_CERT_ID] = INT_NULL("cert_id"), [OPERATOR_ADDED_AT] = INT("added_at"),
), OPERATOR_COLS, 1, 1, NULL};

const struct table table_gateway = {7, "gateway", COLUMNS(
    [GATEWAY_NAME] = TEXT("name"), [GATEWAY_SITE] = TEXT_NULL("site"), [GATEWAY_CERT_ID] = INT_NULL("cert_id"),
    [GATEWAY_ADDED_AT] = INT("added_at"),
), GATEWAY_COLS, 1, 1, NULL};

const struct table table_anchor = {8, "anchor", COLUMNS(
    [ANCHOR_NAME] = TEXT("name"), [ANCHOR_DER] = BLOB("der"), [ANCHOR_ADDED_AT] = INT("added_at"),
    [ANCHOR_POLICY] = TEXT_NULL("policy"),
), ANCHOR_COLS, 1, 1, NULL};

const struct table table_setting = {9, "setting", COLUMNS(
    [SETTING_KEY] = TEXT("key"), [SETTING_VALUE] = TEXT("value"),
), SETTING_COLS, 1, 1, NULL};

const struct table table_idevid = {10, "idevid", COLUMNS(
    [IDEVID_ANCHOR] = TEXT("anchor"), [IDEVID_DEVICE] = TEXT("device"), [IDEVID_DIGEST] = BLOB("digest"),
    [IDEVID_SERIAL_NO] = BLOB("serial_no"), [IDEVID_SEEN_AT] = INT("seen_at"),
), IDEVID_COLS, 2, 2, NULL};

const struct table table_gateway_ack = {33, "gateway_ack", COLUMNS(
    [GATEWAY_ACK_GATEWAY] = TEXT("gateway"), [GATEWAY_ACK_SEQ] = INT("seq"), [GATEWAY_ACK_AT] = INT("acked_at"),
), GATEWAY_ACK_COLS, 1, 1, "which head each gateway acknowledged last; it says so again with the next"};

const struct table table_journal_mark = {34, "journal_mark", COLUMNS(
    [JOURNAL_MARK_SIGNER] = TEXT("signer"), [JOURNAL_MARK_POSITION] = INT("place"),
), JOURNAL_MARK_COLS, 1, 1, "how far signers' journals are read; they sign no checkpoint before all of theirs is entered"};

const struct table table_checkpoint = {35, "checkpoint", COLUMNS(
    [CHECKPOINT_NODE] = INT("node"), [CHECKPOINT_SIZE] = INT("size"), [CHECKPOINT_NOTE] = TEXT("note"),
    [CHECKPOINT_AT] = INT("made_at"),
), CHECKPOINT_COLS, 2, 2, "held against its signatures and the tree; nothing reads made_at"};

const struct table table_entry_filter = {37, "entry_filter", COLUMNS(
    [ENTRY_FILTER_POS] = INT("pos"), [ENTRY_FILTER_DATA] = BLOB("data"),
), ENTRY_FILTER_COLS, 1, 1, "an index of the entries, held against them"};

const struct table table_unanswered = {38, "unanswered", COLUMNS(
    [UNANSWERED_CERT] = INT("cert"), [UNANSWERED_CREDENTIAL] = BLOB("credential"),
), UNANSWERED_COLS, 1, 1, "which certificates wait to be asked for again; each is on hold by its own entry"};

const struct table table_entry = {48, "entry", COLUMNS(
    [ENTRY_POS] = INT("pos"), [ENTRY_TIME_MS] = INT("time_ms"), [ENTRY_TYPE] = INT("type"), [ENTRY_LEAF] = BLOB("leaf"),
    [ENTRY_SALT] = BLOB_NULL("salt"), [ENTRY_PAYLOAD] = BLOB_NULL("payload"),
), ENTRY_COLS, 1, 1, "the log itself, held against the tree"};

const struct table table_tile = {49, "tile", COLUMNS(
    [TILE_NODE] = INT("node"), [TILE_LEVEL] = INT("level"), [TILE_IDX] = INT("idx"), [TILE_DATA] = BLOB("data"),
), TILE_COLS, 3, 3, "hashes of the tree, held against the entries"};

const struct table table_log = {50, "log", COLUMNS(
    [LOG_NODE] = INT("node"), [LOG_ORIGIN] = TEXT("origin"), [LOG_CREATED_MS] = INT("created_ms"),
), LOG_COLS, 1, 1, "the name of each log, held against its checkpoints; nothing reads created_ms"};
/* clang-format on */

const struct table *const tables_all[] = {
    &table_model,      &table_device, &table_certificate, &table_operator,     &table_gateway,    &table_anchor,
    &table_setting,    &table_idevid, &table_gateway_ack, &table_journal_mark, &table_checkpoint, &table_entry_filter,
    &table_unanswered, &table_entry,  &table_tile,        &table_log,
};
const size_t tables_n = ARRAY_LEN(tables_all);

const struct table *table_by_number(uint8_t number)
{
    for (size_t i = 0; i < tables_n; i++)
        if (tables_all[i]->number == number)
            return tables_all[i];
    return NULL;
}

int64_t spki64_of(const uint8_t spki[32])
{
    uint64_t v = 0;
    for (size_t i = 0; i < 8; i++)
        v = v << 8 | spki[i];
    return (int64_t)v;
}

/* ---- migrations ---- */

/* One text a version, applied in order; a text that was released never changes.  BLOB, TEXT, INTEGER PRIMARY KEY and WITHOUT
 * ROWID are written differently for PostgreSQL (db_pg.c).
 *
 * certificate and entry are plain appends by their integer keys: 126,000 rows/s against 11,000 with random keys at two
 * million rows.  Index entries are kept small (spki64, partial indexes): a certificate, its entry and all indexes are held
 * to 1,000 bytes. */
static const char *const migrations[] = {
    "CREATE TABLE model (name TEXT NOT NULL, settings TEXT NOT NULL, created_at BIGINT NOT NULL, PRIMARY KEY (name));"

    "CREATE TABLE device (id TEXT NOT NULL, model TEXT NOT NULL, serial TEXT NOT NULL, state BIGINT NOT NULL, owner "
    "TEXT,"
    " created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, tags TEXT, lock_reason TEXT,"
    " claim_digest BLOB, claim_nonce BLOB, claim_expires_at BIGINT, claim_used_at BIGINT, claim_spki64 BIGINT,"
    " PRIMARY KEY (id)) WITHOUT ROWID;"
    "CREATE UNIQUE INDEX device_serial ON device (serial, model);"
    "CREATE INDEX device_owner ON device (owner, id) WHERE owner IS NOT NULL;"

    "CREATE TABLE certificate (id INTEGER PRIMARY KEY NOT NULL, serial_tail BLOB NOT NULL, subject TEXT,"
    " subject_kind BIGINT NOT NULL, profile TEXT NOT NULL, spki BLOB NOT NULL, spki64 BIGINT,"
    " not_before BIGINT NOT NULL, not_after BIGINT NOT NULL, revoked_at BIGINT, reason BIGINT, hold BIGINT NOT NULL,"
    " base BIGINT, der BLOB NOT NULL, issued_at BIGINT NOT NULL);"
    "CREATE INDEX certificate_subject ON certificate (subject);"
    "CREATE UNIQUE INDEX certificate_spki64 ON certificate (spki64) WHERE spki64 IS NOT NULL;"
    "CREATE INDEX certificate_revoked ON certificate (id) WHERE revoked_at IS NOT NULL;"
    "CREATE INDEX certificate_held ON certificate (id) WHERE hold = 1;"

    "CREATE TABLE operator (name TEXT NOT NULL, role TEXT NOT NULL, spki BLOB, cert_id BIGINT, added_at BIGINT NOT "
    "NULL,"
    " PRIMARY KEY (name));"
    "CREATE TABLE gateway (name TEXT NOT NULL, site TEXT, cert_id BIGINT, added_at BIGINT NOT NULL,"
    " PRIMARY KEY (name));"
    "CREATE TABLE anchor (name TEXT NOT NULL, der BLOB NOT NULL, added_at BIGINT NOT NULL, policy TEXT,"
    " PRIMARY KEY (name));"
    "CREATE TABLE setting (key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (key)) WITHOUT ROWID;"

    "CREATE TABLE gateway_ack (gateway TEXT NOT NULL, seq BIGINT NOT NULL, acked_at BIGINT NOT NULL,"
    " PRIMARY KEY (gateway)) WITHOUT ROWID;"
    "CREATE TABLE journal_mark (signer TEXT NOT NULL, place BIGINT NOT NULL, PRIMARY KEY (signer)) WITHOUT ROWID;"
    "CREATE TABLE checkpoint (node BIGINT NOT NULL, size BIGINT NOT NULL, note TEXT NOT NULL, made_at BIGINT NOT NULL,"
    " PRIMARY KEY (node, size)) WITHOUT ROWID;"
    "CREATE TABLE entry_filter (pos INTEGER PRIMARY KEY NOT NULL, data BLOB NOT NULL);"
    "CREATE TABLE unanswered (cert INTEGER PRIMARY KEY NOT NULL, credential BLOB NOT NULL);"

    "CREATE TABLE entry (pos INTEGER PRIMARY KEY NOT NULL, time_ms BIGINT NOT NULL, type BIGINT NOT NULL,"
    " leaf BLOB NOT NULL, salt BLOB, payload BLOB);"
    "CREATE TABLE tile (node BIGINT NOT NULL, level BIGINT NOT NULL, idx BIGINT NOT NULL, data BLOB NOT NULL,"
    " PRIMARY KEY (node, level, idx));"
    "CREATE TABLE log (node BIGINT NOT NULL, origin TEXT NOT NULL, created_ms BIGINT NOT NULL, PRIMARY KEY (node));",

    ("CREATE TABLE idevid (anchor TEXT NOT NULL, device TEXT NOT NULL, digest BLOB NOT NULL, serial_no BLOB NOT NULL,"
     " seen_at BIGINT NOT NULL, PRIMARY KEY (anchor, device)) WITHOUT ROWID;"),

    /* They say more now, and are made anew. */
    "DELETE FROM entry_filter;",
};
_Static_assert(ARRAY_LEN(migrations) == SCHEMA_VERSION, "one text a version");
static const char version_table[] =
    "CREATE TABLE IF NOT EXISTS schema_version (id BIGINT NOT NULL, version BIGINT NOT NULL,"
    " PRIMARY KEY (id))";

const char *tables_script(size_t i)
{
    return i == 0 ? version_table : i <= SCHEMA_VERSION ? migrations[i - 1] : NULL;
}

static const struct sql select_version = {"SELECT version FROM schema_version WHERE id = 1"};
static const struct sql upsert_version = {"INSERT INTO schema_version (id, version) VALUES (1, $1)"
                                          " ON CONFLICT (id) DO UPDATE SET version = excluded.version"};

static bool refuse_newer(int64_t version, struct err *e)
{
    err_set(e, ERR_STORE_SCHEMA, "the database has schema %lld, this program knows %d", (long long)version,
            SCHEMA_VERSION);
    return err_try(e, "use the newer program that wrote it");
}

/* 0 if there is no row. */
static bool version_read(struct db *db, int64_t *version, struct err *e)
{
    AUTO(rows_close) struct rows r = {0};
    *version = 0;
    if (!db_query_row(db, &select_version, NULL, 0, &r, e))
        return !e->code;
    *version = rows_int(&r, 0);
    return true;
}

static bool migrate_steps(struct db *db, struct err *e)
{
    int64_t version;
    if (!db_script(db, version_table, e) || !version_read(db, &version, e))
        return false;
    if (version > SCHEMA_VERSION)
        return refuse_newer(version, e);
    if (version == SCHEMA_VERSION)
        return true;
    for (int64_t i = version; i < SCHEMA_VERSION; i++)
        if (!db_script(db, migrations[i], e))
            return err_ctx(e, "schema %lld", (long long)i + 1);
    struct value now = value_int(SCHEMA_VERSION);
    return db_exec(db, &upsert_version, &now, 1, e);
}

/* Of two nodes that start on an empty database, one loses the race for CREATE TABLE, looks again and finds all done. */
#define MIGRATE_TRIES 5

bool tables_migrate(struct db *db, struct err *e)
{
    struct err own;
    e = e ? e : &own;
    for (int i = 0; i < MIGRATE_TRIES; i++) {
        if (db_begin(db, e) && migrate_steps(db, e) && db_commit(db, e))
            return true;
        db_rollback(db);
        if (e->code != ERR_STORE_EXISTS && e->code != ERR_STORE_CONFLICT)
            return false;
    }
    return false;
}

/* It was made and never used. */
static bool is_empty(struct db *db)
{
    static const struct sql of_sqlite = {"SELECT COUNT(*) FROM sqlite_master"},
                            of_postgres = {"SELECT COUNT(*) FROM information_schema.tables"
                                           " WHERE table_schema = current_schema()"};
    AUTO(rows_close) struct rows r = {0};
    struct err ignored;
    return db_query_row(db, db_is_postgres(db) ? &of_postgres : &of_sqlite, NULL, 0, &r, &ignored) &&
           rows_int(&r, 0) == 0;
}

bool tables_check(struct db *db, struct err *e)
{
    struct err own;
    int64_t version;
    if (!e)
        e = &own;
    if (!version_read(db, &version, e)) {
        if (e->code != ERR_STORE)
            return false;
        if (is_empty(db)) {
            err_set(e, ERR_STORE_EMPTY, "the database is empty");
            err_why(e, "no table is in it; the first start of a new platform makes them");
            return err_try(e, "start kithd, if the platform is new; else put its database back to its place");
        }
        err_set(e, ERR_STORE_SCHEMA, "this is no database of Kith");
        return err_try(e, "put the database back to its place, or restore its last copy");
    }
    if (version > SCHEMA_VERSION)
        return refuse_newer(version, e);
    if (version == SCHEMA_VERSION)
        return true;
    err_set(e, ERR_STORE_SCHEMA, "the database has schema %lld, this program wants %d", (long long)version,
            SCHEMA_VERSION);
    return err_try(e, "start kithd once: it brings the database up to date");
}

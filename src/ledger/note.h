/* Signed notes, checkpoints and cosignatures as C2SP has them (c2sp.org/signed-note, tlog-checkpoint, tlog-cosignature/v1),
 * with Ed25519.  Readers are strict, borrow their input and allocate nothing.
 *
 * A note is accepted if every signature by a known key verifies; signatures by others are ignored.  That all keys which are
 * wanted have signed is for the caller to see from note_signed. */
#ifndef KITH_LEDGER_NOTE_H
#define KITH_LEDGER_NOTE_H

#include "core/crypto.h"
#include "core/merkle.h"
#include "core/writer.h"

#define NOTE_MAX      65536
#define NOTE_NAME_MAX 255
#define NOTE_SIGS_MAX 64
#define NOTE_LINE_MAX (3 + 1 + NOTE_NAME_MAX + 1 + 104 + 1) /* one signature line of ours */
#define NOTE_VKEY_MAX (NOTE_NAME_MAX + 1 + 8 + 1 + 44 + 1)

enum note_key_type { NOTE_ED25519 = 0x01, NOTE_COSIGNATURE = 0x04 };

struct note_key {
    char name[NOTE_NAME_MAX + 1];
    uint8_t id[4];
    uint8_t type; /* enum note_key_type */
    uint8_t pub[32];
};

/* What a key, and with it a log, may be called: no space, no '+'.  Errors: note. */
MUST_USE bool note_name_check(const char *name, struct err *e);
/* A key by its name and DER SubjectPublicKeyInfo.  Errors: note (name), policy (not Ed25519). */
MUST_USE bool note_key_make(const struct crypto *c, const char *name, enum note_key_type type, struct slice spki,
                            struct note_key *out, struct err *e);
/* vkey: `name+hex(id)+base64(type || key)`.  Errors: note. */
MUST_USE bool note_key_read(const struct crypto *c, struct slice vkey, struct note_key *out, struct err *e);
/* The platform's own file of verifier keys, one a line (slice_take_said_line()): the log's, then its cosigner's.  Errors: note. */
enum { NOTE_KEY_LOG, NOTE_KEY_COSIGNER, NOTE_KEYS };
MUST_USE bool note_keys_read(const struct crypto *c, struct slice text, struct note_key keys[NOTE_KEYS], struct err *e);
/* NUL-terminated into out[NOTE_VKEY_MAX]. */
void note_key_write(const struct note_key *k, char out[NOTE_VKEY_MAX]);
/* SHA-256 of that text: of name, algorithm and key. */
void note_key_digest(const struct crypto *c, const struct note_key *k, uint8_t out[SHA256_SIZE]);

struct note_sig {
    struct slice name;
    uint8_t id[4];
    struct slice base64; /* of id || signature */
};

struct note {
    struct slice text; /* with its last newline, without the empty line */
    struct slice all;
    struct note_sig sigs[NOTE_SIGS_MAX];
    size_t sigs_n;
};

/* The form alone.  Errors: note. */
MUST_USE bool note_read(struct slice bytes, struct note *out, struct err *e);

struct note_signed {
    bool by;    /* this key has signed */
    int64_t at; /* cosignature/v1: its time */
};

/* Verifies every signature by one of the keys; by[i] says whether keys[i] signed.
 * Errors: note-signature (one by a known key does not verify). */
MUST_USE bool note_verify(const struct crypto *c, const struct note *n, const struct note_key *keys, size_t keys_n,
                          struct note_signed *by, struct err *e);
/* note_read() and note_verify(), and each of the keys must have signed.  Errors: note, note-signature. */
MUST_USE bool note_open(const struct crypto *c, struct slice bytes, const struct note_key *keys, size_t keys_n,
                        struct note *out, struct err *e);

/* Appends the signature line over `text` (which ends with a newline) in the form of k->type; `at` counts for cosignatures.
 * A note is text, "\n", lines.  Errors: note (text), whatever the signer says. */
MUST_USE bool note_sign(const struct note_key *k, const struct signer *signer, struct slice text, int64_t at,
                        struct writer *w, struct err *e);

/* ---- checkpoints: a note's text ---- */

struct checkpoint {
    struct slice origin;
    uint64_t size;
    struct merkle_hash root;
    struct slice extension; /* further lines, whole; empty: none */
};

/* Errors: note. */
MUST_USE bool checkpoint_read(struct slice text, struct checkpoint *out, struct err *e);
void checkpoint_write(struct writer *w, const struct checkpoint *c);

#endif

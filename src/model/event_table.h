/* EVENT_ROW(id, number, name, help, fields...).  Numbers stand in ledgers for ever, an event's and that of
 * a field: its place in the row, from 1.  Append, never change, never take out of the middle.  Each row is written by some
 * act of the platform (tests/lint/events.py); a number that has no row is reserved, for its neighbours' kind.
 * A field is T(ext), I(nteger), B(ytes), F(lag); OPT_ before it: may be left out.  Times are `_at` (Unix seconds) or `_ms`.
 *
 * `who` is the actor, "kind:name": operator:alice, device:dev_..., gateway:g1, local:root, signer:issuing, anchor:pumps, system:server.
 * `via` is the door: local, api, est, feed, ...; `auth` how the actor proved who it is: claim, idevid, renewal, operator,
 * peer-credentials.  `storage` is where a private key lives: file, pkcs11, tpm2, secure-element, unknown; `evidence` what
 * shows it: none, declared, attested. */

/* 1-19: the platform and its keys */
EVENT_ROW(PLATFORM_INITIALISED, 1, "platform.initialised", "A platform was set up; the first entry of its log.", T(who),
          T(org), T(origin), T(version), T(algorithm), T(storage), F(offline_root), OPT_B(root), OPT_B(issuing))
EVENT_ROW(PLATFORM_STARTED, 2, "platform.started", "The server started.", T(who), T(version), I(node), OPT_T(crypto),
          OPT_T(sandbox))
EVENT_ROW(PLATFORM_STOPPED, 3, "platform.stopped", "The server ended in good order.", T(who), OPT_T(why))
EVENT_ROW(SETTING_CHANGED, 4, "setting.changed", "A setting of the platform has another value.", T(who), T(key),
          OPT_T(from), OPT_T(to))
EVENT_ROW(PROFILE_LOADED, 5, "profile.loaded", "A certificate profile in this version is in use.", T(who), T(profile),
          I(version), B(digest))
EVENT_ROW(KEY_GENERATED, 6, "key.generated", "A key of the platform was made.", T(who), T(purpose), T(algorithm),
          T(storage), B(spki), F(extractable), T(entropy), OPT_T(module), OPT_T(ref))
EVENT_ROW(CA_INSTALLED, 10, "ca.installed", "A CA certificate is in use from now on.", T(who), T(ca), T(algorithm),
          B(serial), B(spki), B(digest), I(not_after))
EVENT_ROW(SIGNER_STARTED, 11, "signer.started", "A signer answers.", T(who), T(domain), T(version), OPT_T(storage),
          OPT_T(module), OPT_T(sandbox), OPT_B(roster))
EVENT_ROW(SIGNER_LOST, 12, "signer.lost", "A signer no longer answers, or its token is away.", T(who), T(domain),
          T(why))

/* 20-29: models; 30-39: trust anchors of manufacturers */
EVENT_ROW(MODEL_ADDED, 20, "model.added", "A product type exists.", T(who), T(model), OPT_T(settings))
EVENT_ROW(MODEL_CHANGED, 21, "model.changed", "A product type's settings changed.", T(who), T(model), OPT_T(from),
          OPT_T(to))
EVENT_ROW(ANCHOR_ADDED, 30, "anchor.added", "A manufacturer's CA may vouch for devices.", T(who), T(anchor), B(digest),
          OPT_T(policy))
EVENT_ROW(ANCHOR_REMOVED, 32, "anchor.removed", "A manufacturer's CA vouches for nothing any more.", T(who), T(anchor),
          OPT_B(digest), OPT_T(why))

/* 40-49: operators; 50-59: gateways */
EVENT_ROW(OPERATOR_ADDED, 40, "operator.added", "A person or service may act.", T(who), T(operator), T(role), T(auth),
          OPT_B(spki), OPT_I(cert))
EVENT_ROW(OPERATOR_REMOVED, 42, "operator.removed", "An operator may not act any more.", T(who), T(operator),
          OPT_T(why))
EVENT_ROW(GATEWAY_ADDED, 50, "gateway.added", "A gateway may ask for the feed.", T(who), T(gateway), OPT_T(site),
          OPT_T(policy), OPT_I(cert))
EVENT_ROW(GATEWAY_REMOVED, 52, "gateway.removed", "A gateway gets no feed any more.", T(who), T(gateway), OPT_T(why))
EVENT_ROW(GATEWAY_SILENT, 53, "gateway.silent", "A gateway has not acknowledged the feed in time.", T(who), T(gateway),
          I(seq), I(since_at))

/* 60-79: devices and their claims */
EVENT_ROW(DEVICE_ADDED, 60, "device.added", "A device is known.", T(who), T(device), T(model), T(serial), T(state),
          OPT_T(owner), OPT_T(tags), OPT_T(batch))
EVENT_ROW(DEVICE_CLAIMED, 61, "device.claimed", "An owner took a device over.", T(who), T(device), T(owner), OPT_T(via),
          OPT_T(from), OPT_T(to))
EVENT_ROW(DEVICE_STATE, 62, "device.state", "A device went from one state to another.", T(who), T(device), T(from),
          T(to), T(why), OPT_I(decided_ms))
EVENT_ROW(DEVICE_RETIRED, 63, "device.retired", "A device was retired for good; its certificates are revoked.", T(who),
          T(device), T(from), T(why), I(certs))
EVENT_ROW(DEVICE_OWNER, 65, "device.owner", "A device has another owner.", T(who), T(device), OPT_T(from), OPT_T(to),
          T(why))
EVENT_ROW(DEVICE_TAGS, 66, "device.tags", "A device's tags changed.", T(who), T(device), OPT_T(from), OPT_T(to))
EVENT_ROW(CLAIM_CREATED, 70, "claim.created", "A one-time claim for a device was made.", T(who), T(device), B(digest),
          I(expires_at))
EVENT_ROW(CLAIM_REFUSED, 72, "claim.refused",
          "A claim was shown that is used up, expired or asked for with a second key, or a second IDevID; `alarm` if "
          "that key or IDevID is another.",
          T(who), T(device), T(via), T(why), T(code), F(alarm), OPT_B(digest), OPT_B(spki), OPT_T(prefix))

/* 80-99: certificates and what says that they are revoked.  Which one is the key of the row that changes with 80 to 87 (its
 * database id, with the serial number's first 7 bytes); SHA-256 of the DER is the leaf's ref in 80 to 83; the rest stands in
 * the certificate.  `subject` is left out if it is who acts; `storage` and `evidence` if they are unknown and none.
 * `anchor`, `idevid` (SHA-256) and `idevid_serial` say on which manufacturer's word, if `auth` is idevid. */
EVENT_ROW(CERT_ISSUED, 80, "cert.issued", "A certificate was issued on a first proof of who asks.", T(who), T(via),
          T(auth), OPT_T(subject), OPT_T(storage), OPT_T(evidence), OPT_I(latency_ms), OPT_T(anchor), OPT_B(idevid),
          OPT_B(idevid_serial))
EVENT_ROW(CERT_RENEWED, 81, "cert.renewed", "A certificate was issued on the strength of the one before.", T(who),
          T(via), T(auth), OPT_T(subject), OPT_T(storage), OPT_T(evidence), F(same_key), OPT_I(previous),
          OPT_I(latency_ms))
EVENT_ROW(CERT_VOID, 82, "cert.void", "A certificate was signed but never delivered, for the state had changed.",
          T(who), OPT_T(subject), T(why))
EVENT_ROW(CERT_UNANSWERED, 83, "cert.unanswered", "A signer's journal holds a certificate whose answer was lost.",
          T(who), OPT_T(subject))
EVENT_ROW(CERT_REVOKED, 84, "cert.revoked", "A certificate was revoked.", T(who), OPT_T(subject), T(reason), OPT_T(why),
          OPT_I(decided_ms))
EVENT_ROW(CERT_HELD, 85, "cert.held", "A certificate does not count for now.", T(who), OPT_T(subject), OPT_T(why),
          OPT_I(decided_ms))
EVENT_ROW(CERT_RELEASED, 86, "cert.released", "A certificate that was held counts again.", T(who), OPT_T(subject),
          OPT_T(why))
EVENT_ROW(CERT_DELIVERED, 87, "cert.delivered", "An unanswered certificate was given to who asked again.", T(who),
          OPT_T(subject), OPT_T(anchor), OPT_B(idevid), OPT_B(idevid_serial))
EVENT_ROW(CRL_ISSUED, 90, "crl.issued", "A revocation list was signed.", T(who), T(issuer), I(node), I(shard),
          I(number), OPT_I(entries), I(this_update), OPT_I(next_update), B(digest))
EVENT_ROW(FEED_HEAD, 91, "feed.head", "A head of the revocation feed was signed.", T(who), I(seq), OPT_I(revoked),
          OPT_I(held), I(time_at), OPT_I(next_at), B(digest), OPT_I(latency_ms))

/* 100-109: refusals.  `code` is the slug of core/err_codes.h */
EVENT_ROW(REQUEST_REFUSED, 100, "request.refused", "A known party was refused.", T(who), T(via), T(what), T(code),
          OPT_T(why), OPT_T(subject), OPT_T(prefix))
EVENT_ROW(
    REFUSALS_COUNTED, 101, "refusals.counted",
    "How often unknown parties of one address prefix were refused, or one known party beyond what is told one by one.",
    T(who), I(minute_at), T(prefix), T(via), T(code), I(count))

/* 110-119: the ledger itself */
EVENT_ROW(LOG_OPENED, 110, "log.opened", "A node's log has this name and key.", T(who), T(origin), I(node), T(vkey))
EVENT_ROW(COSIGNER_ADDED, 111, "cosigner.added", "Checkpoints want this cosignature from now on.", T(who), T(vkey))
EVENT_ROW(ENTRY_ERASED, 114, "entry.erased", "What an entry says was erased; its leaf and every proof stay.", T(who),
          I(entry), T(why))
EVENT_ROW(LEDGER_EXPORTED, 115, "ledger.exported", "The log was exported.", T(who), I(size))
EVENT_ROW(
    LOG_ADOPTED, 117, "log.adopted",
    "Entries that no signer had vouched for when the server started were kept; `sensitive` of them change who may do "
    "what. `digest`: from 32 zero bytes, SHA-256 over digest and leaf, one after the other.",
    T(who), I(first), I(count), I(sensitive), B(digest))

/* 120-129: alarms */
EVENT_ROW(ALARM_RAISED, 120, "alarm.raised", "Somebody should look.", T(who), T(alarm), T(text), OPT_T(subject))
EVENT_ROW(ALARM_CLEARED, 121, "alarm.cleared", "Somebody has looked.", T(who), T(alarm), OPT_T(subject), OPT_T(why))
EVENT_ROW(CLOCK_JUMPED, 123, "clock.jumped", "The clock went back, or far ahead at once.", T(who), I(from_ms), I(to_ms))

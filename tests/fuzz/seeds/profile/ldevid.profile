# The operational identity of a device (LDevID, IEEE 802.1AR-2018): mutual TLS to broker, applications and Kith.
name = ldevid
version = 1
for = claim, idevid, renewal, admin
keys = p256, p384, ed25519, rsa2048, rsa3072, rsa4096
validity = 90d
validity-max = 398d
# Devices whose clock runs behind can use it at once.
backdate = 24h
subject = CN=%{id}, serialNumber=%{serial}
san = uri:urn:kith:device:%{id}
key-usage = digitalSignature
extended-key-usage = clientAuth
# Left out to keep it small: nothing needs them in the certificate of a device.
basic-constraints = no
subject-key-id = no
crl = yes
renew-expired-days = 30

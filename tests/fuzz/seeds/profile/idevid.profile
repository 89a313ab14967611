# The identity that a device is born with (IDevID, IEEE 802.1AR-2018 section 8): it never ends and names no use.
name = idevid
version = 1
for = factory, station
keys = p256, p384, ed25519, rsa2048, rsa3072, rsa4096
validity = never
validity-max = never
subject = CN=%{model}, serialNumber=%{serial}
san = hw:%{serial}
key-usage = digitalSignature
basic-constraints = no
subject-key-id = no
outlives-issuer = yes
crl = yes

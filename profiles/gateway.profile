# A gateway or broker: it serves devices and is a client of the feed.
name = gateway
version = 1
for = admin, renewal
keys = p256, p384, ed25519, rsa2048, rsa3072, rsa4096
validity = 90d
validity-max = 398d
backdate = 24h
subject = CN=%{name}
san = uri:urn:kith:gateway:%{name}
san-from-request = dns, ip
key-usage = digitalSignature, keyEncipherment
extended-key-usage = clientAuth, serverAuth
crl = yes
renew-expired-days = 7

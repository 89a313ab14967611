# The platform's own TLS server, certified for a day each day.  Agents, gateways and `kith` know it by cmcRA (RFC 6402 section
# 2.10, RFC 7030 section 3.6.1): no other profile may give that.
name = server
version = 1
for = server
keys = p256, p384, rsa2048, rsa3072, rsa4096
validity = 1d
validity-max = 90d
backdate = 24h
subject = CN=%{name}
san-from-request = dns, ip
key-usage = digitalSignature, keyEncipherment
extended-key-usage = serverAuth, cmcRA

# The platform's own TLS server, certified for a day each day, and other servers on request.
name = server
version = 1
for = server, admin
keys = p256, p384, rsa2048, rsa3072, rsa4096
validity = 1d
validity-max = 90d
backdate = 24h
subject = CN=%{name}
san-from-request = dns, ip
key-usage = digitalSignature, keyEncipherment
extended-key-usage = serverAuth

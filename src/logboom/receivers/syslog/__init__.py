"""`syslog`: RFC 5424, RFC 3164 and the formats that devices really send, over UDP, TCP and TLS.

Contract: docs/contracts/syslog.md.
"""

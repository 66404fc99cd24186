"""Certificates: whom `verify-full` trusts."""

import ssl
from pathlib import Path

USUAL = "/etc/ssl/certs/ca-certificates.crt"


def ca_file() -> str:
    """The file of trusted authorities: SSL_CERT_FILE if it is set, else the machine's own."""
    found = ssl.get_default_verify_paths().cafile
    return found if found and Path(found).exists() else USUAL

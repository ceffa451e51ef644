"""A token server that verifies assertions with google-auth."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import serialization
from google.auth import jwt

FORM = "application/x-www-form-urlencoded"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class TokenServer(ThreadingHTTPServer):
    """Exchanges assertions signed with a key file's key for access tokens (RFC 7523)."""

    def __init__(self, key_file, access_token):
        super().__init__(("127.0.0.1", 0), Exchange)
        self.url = f"http://127.0.0.1:{self.server_port}/token"
        self.certificates = {key_file["private_key_id"]: public_key(key_file["private_key"])}
        # Called for each token; returns it.
        self.access_token = access_token
        # The claims of the valid assertions, and the errors of the others.
        self.verified, self.refused = [], []
        threading.Thread(target=self.serve_forever).start()

    def stop(self):
        self.shutdown()
        self.server_close()


class Exchange(BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers["Content-Length"])
        form = {name: value for name, (value,) in parse_qs(self.rfile.read(length).decode()).items()}
        try:
            if self.headers["Content-Type"] != FORM or form["grant_type"] != GRANT:
                raise ValueError("not the form of a grant")
            claims = jwt.decode(form["assertion"], certs=self.server.certificates, audience=self.server.url)
        except Exception as error:
            self.server.refused.append(str(error))
            return self.respond(400, {"error": "invalid_grant", "error_description": str(error)})
        self.server.verified.append(claims)
        token = self.server.access_token()
        return self.respond(200, {"access_token": token, "expires_in": 3599, "token_type": "Bearer"})

    def respond(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        pass


def public_key(private_key):
    """Returns the public key of a private key, both as PEM."""
    public = serialization.load_pem_private_key(private_key.encode(), password=None).public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

"""Google's authentication library accepts the Worker's signatures."""

import json
import subprocess
import unittest
import urllib.error
import urllib.request

from google.auth.transport.requests import Request

from emulator import INSTANCE_PORT, ROOT, ZONE, EmulatorTest
from test_auth import COMPUTE, another_key
from token_server import TokenServer


class Assertion(EmulatorTest):
    """Assertions for the token server of the key file's `token_uri`, which google-auth verifies."""

    def setUp(self):
        super().setUp()
        self.tokens = TokenServer(self.cloud.key, self.access_token)
        self.addCleanup(self.tokens.stop)

    def test_is_verified_and_the_vm_starts(self):
        self.assertEqual(self.get_through_worker(self.cloud.key), 200)

        self.assertEqual(self.tokens.refused, [])
        (claims,) = self.tokens.verified
        issued = claims.pop("iat")
        self.assertEqual(
            claims,
            {
                "iss": self.cloud.key["client_email"],
                "aud": self.tokens.url,
                "scope": COMPUTE,
                "exp": issued + 3600,
            },
        )
        vm = self.cloud.client().get(project=self.cloud.project, zone=ZONE, instance="backend")
        self.assertEqual(vm.status, "RUNNING")

    def test_is_refused_if_another_key_has_signed_it(self):
        self.assertEqual(self.get_through_worker({**self.cloud.key, "private_key": another_key()}), 502)

        self.assertEqual(self.tokens.verified, [])
        self.assertEqual(self.tokens.refused, ["Could not verify token signature."])
        self.assertEqual(self.cloud.calls(), {})

    def access_token(self):
        """Returns a token that the emulated API accepts."""
        credentials = self.cloud.credentials(scopes=[COMPUTE])
        credentials.refresh(Request())
        return credentials.token

    def get_through_worker(self, key_file):
        """Returns the status of the first response of a Worker with this key file."""
        vm = {"path": "/", "health_path": "/healthz", "port": INSTANCE_PORT}
        variables = {
            "VMS": [{**vm, "instance": {"name": "backend", "zone": ZONE}}],
            "COMPUTE_ENDPOINT": f"{self.cloud.url}/compute/v1",
            "GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps({**key_file, "token_uri": self.tokens.url}),
        }
        worker = subprocess.Popen(
            [ROOT / "node_modules" / ".bin" / "node", ROOT / "tests" / "clients" / "worker.ts"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            worker.stdin.write(json.dumps(variables) + "\n")
            worker.stdin.flush()
            url = worker.stdout.readline().strip()
            try:
                with urllib.request.urlopen(url, timeout=60) as response:
                    return response.status
            except urllib.error.HTTPError as refusal:
                with refusal:
                    return refusal.code
        finally:
            worker.communicate(timeout=60)
            self.assertEqual(worker.returncode, 0)


if __name__ == "__main__":
    unittest.main()

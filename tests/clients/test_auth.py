"""Google's authentication library works with the emulator's key file."""

import unittest
from datetime import datetime, timedelta, timezone

import google.oauth2.credentials
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.api_core import exceptions
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import Request
from google.oauth2 import service_account

from emulator import ZONE, EmulatorTest, instance

COMPUTE = "https://www.googleapis.com/auth/compute"
READ_ONLY = "https://www.googleapis.com/auth/compute.readonly"


class TokenServer(EmulatorTest):
    """The exchange of a signed assertion for an access token."""

    def test_gives_a_token_that_the_api_takes(self):
        credentials = self.cloud.credentials(scopes=[COMPUTE])
        credentials.refresh(Request())

        self.assertTrue(credentials.valid)
        left = credentials.expiry.replace(tzinfo=timezone.utc) - datetime.now(timezone.utc)
        self.assertLess(abs(left - timedelta(hours=1)), timedelta(minutes=1))
        bearer = google.oauth2.credentials.Credentials(credentials.token)
        self.assertEqual(self.names(self.cloud.client(credentials=bearer)), [])
        self.assertEqual(self.cloud.calls()["token"], 1)

    def test_refuses_a_key_that_is_not_the_accounts(self):
        credentials = service_account.Credentials.from_service_account_info(
            {**self.cloud.key, "private_key": another_key()}, scopes=[COMPUTE]
        )
        with self.assertRaisesRegex(RefreshError, "invalid_grant: Invalid JWT Signature"):
            credentials.refresh(Request())

    def test_refuses_scopes_that_do_not_reach_the_api(self):
        credentials = self.cloud.credentials(scopes=["https://www.googleapis.com/auth/drive"])
        with self.assertRaisesRegex(RefreshError, "invalid_scope"):
            credentials.refresh(Request())

    def test_gives_no_more_than_was_asked_for(self):
        credentials = self.cloud.credentials(scopes=[READ_ONLY])
        credentials.refresh(Request())
        client = self.cloud.client(credentials=google.oauth2.credentials.Credentials(credentials.token))
        self.assertEqual(self.names(client), [])
        with self.assertRaisesRegex(exceptions.Forbidden, "insufficient authentication scopes"):
            client.insert(project=self.cloud.project, zone=ZONE, instance_resource=instance("vm"))

    def names(self, client):
        return [each.name for each in client.list(project=self.cloud.project, zone=ZONE)]


class SelfSigned(EmulatorTest):
    """Tokens signed by the service account itself (https://google.aip.dev/auth/4111)."""

    def test_is_taken_with_scopes_and_with_an_audience(self):
        for arguments in [{"scopes": [COMPUTE]}, {}]:
            with self.subTest(arguments):
                credentials = self.cloud.credentials(**arguments).with_always_use_jwt_access(True)
                client = self.cloud.client(credentials=credentials)
                self.assertEqual(list(client.list(project=self.cloud.project, zone=ZONE)), [])
        self.assertNotIn("token", self.cloud.calls())

    def test_is_refused_with_a_key_that_is_not_the_accounts(self):
        credentials = service_account.Credentials.from_service_account_info(
            {**self.cloud.key, "private_key": another_key()}
        )
        client = self.cloud.client(credentials=credentials.with_always_use_jwt_access(True))
        with self.assertRaises(exceptions.Unauthorized):
            client.get(project=self.cloud.project, zone=ZONE, instance="vm")


def another_key():
    """Returns a private key in the format of a key file."""
    return (
        rsa.generate_private_key(public_exponent=65537, key_size=2048)
        .private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        .decode()
    )


if __name__ == "__main__":
    unittest.main()

//! The service account and its key. The emulator makes the key, so that no secret is ever
//! committed.

use base64::prelude::{Engine, BASE64_URL_SAFE_NO_PAD};
use ring::signature::{RsaPublicKeyComponents, RSA_PKCS1_2048_8192_SHA256};
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, LineEnding};
use rsa::rand_core::{OsRng, RngCore};
use rsa::traits::PublicKeyParts;
use rsa::RsaPrivateKey;
use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

/// A service account with one key.
pub struct ServiceAccount {
    pub email: String,
    /// The email address of another account, which this account may impersonate.
    pub impersonated: String,
    pub key: Key,
    /// The token server's URL in the key file, which is the audience of assertions.
    pub token_uri: String,
    key_file: Value,
    public_key: RsaPublicKeyComponents<Vec<u8>>,
}

/// An RSA key and its id.
#[derive(Clone, Serialize, Deserialize)]
pub struct Key {
    pub id: String,
    /// PKCS #8 in PEM.
    private_key: String,
}

impl Key {
    /// Generates an RSA-2048 key. This takes CPU time, so it is not for an async task.
    ///
    /// # Errors
    /// Returns an error if the key cannot be generated or encoded.
    pub fn generate() -> Result<Self, rsa::pkcs8::Error> {
        let key = RsaPrivateKey::new(&mut OsRng, 2048).map_err(|_| rsa::pkcs8::Error::KeyMalformed)?;
        let mut id = [0; 20];
        OsRng.fill_bytes(&mut id);
        let id = id.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { id, private_key: key.to_pkcs8_pem(LineEnding::LF)?.to_string() })
    }
}

impl ServiceAccount {
    /// Creates the account of a project with this key.
    ///
    /// # Errors
    /// Returns an error if the key cannot be read.
    pub fn new(project: &str, endpoint: &str, key: Key) -> Result<Self, rsa::pkcs8::Error> {
        let parsed = RsaPrivateKey::from_pkcs8_pem(&key.private_key)?;
        let email = format!("emulator@{project}.iam.gserviceaccount.com");
        let impersonated = format!("vm-starter@{project}.iam.gserviceaccount.com");
        let token_uri = format!("{endpoint}/token");
        let key_file = json!({
            "type": "service_account",
            "project_id": project,
            "private_key_id": key.id,
            "private_key": key.private_key,
            "client_email": email,
            "client_id": "100000000000000000001",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": token_uri,
            "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
            "client_x509_cert_url":
                format!("https://www.googleapis.com/robot/v1/metadata/x509/{}", email.replace('@', "%40")),
            "universe_domain": "googleapis.com",
        });
        let public_key = RsaPublicKeyComponents { n: parsed.n().to_bytes_be(), e: parsed.e().to_bytes_be() };
        Ok(Self { email, impersonated, key, token_uri, key_file, public_key })
    }

    /// Returns the key file in the format of Google's console.
    pub fn key_file(&self) -> &Value {
        &self.key_file
    }

    /// Returns `true` if the account's key made this RS256 signature, in base64url, of the message.
    pub fn verifies(&self, message: &str, signature: &str) -> bool {
        BASE64_URL_SAFE_NO_PAD.decode(signature).is_ok_and(|signature| {
            self.public_key.verify(&RSA_PKCS1_2048_8192_SHA256, message.as_bytes(), &signature).is_ok()
        })
    }
}

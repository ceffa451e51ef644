//! What the service account signs, checked by another implementation than the one that signs it.

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use ring::signature::{UnparsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use rsa::pkcs1::{EncodeRsaPrivateKey, EncodeRsaPublicKey};
use rsa::pkcs8::{EncodePrivateKey, LineEnding};
use rsa::RsaPrivateKey;
use serde_json::{json, Value};

use vmproxy::auth::{sign_assertion, sign_token, Api, ServiceAccountKey, KEY};
use vmproxy::time::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_763_837_663_999);

fn key_file(pem: &str) -> ServiceAccountKey {
    let json = json!({
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "key-1",
        "private_key": pem,
        "client_email": "vmproxy@p.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    });
    ServiceAccountKey::parse(KEY, &json.to_string()).unwrap()
}

fn rsa_key(bits: usize) -> RsaPrivateKey {
    RsaPrivateKey::new(&mut rand::thread_rng(), bits).unwrap()
}

fn decode(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[test]
fn pkcs8_and_pkcs1_keys_sign_what_ring_accepts() {
    let key = rsa_key(2048);
    let public = key.to_public_key().to_pkcs1_der().unwrap();
    let pkcs8 = key.to_pkcs8_pem(LineEnding::LF).unwrap();
    let pkcs1 = key.to_pkcs1_pem(LineEnding::LF).unwrap();
    let verified = |token: String| {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public.as_bytes())
            .verify(signed.as_bytes(), &signature)
            .expect("ring refuses the signature");
        assert_eq!(decode(header), json!({"alg": "RS256", "typ": "JWT", "kid": "key-1"}));
        decode(claims)
    };
    let email = "vmproxy@p.iam.gserviceaccount.com";
    let (iat, exp) = (1_763_837_663, 1_763_837_663 + 3600);
    for pem in [pkcs8, pkcs1] {
        let key = key_file(&pem);
        for (api, scope, audience) in [
            (Api::Compute, "https://www.googleapis.com/auth/compute", "https://compute.googleapis.com/"),
            (
                Api::IamCredentials,
                "https://www.googleapis.com/auth/iam",
                "https://iamcredentials.googleapis.com/",
            ),
        ] {
            assert_eq!(
                verified(sign_assertion(&key, api, NOW).unwrap()),
                json!({
                    "iss": email,
                    "aud": "https://oauth2.googleapis.com/token",
                    "scope": scope,
                    "iat": iat,
                    "exp": exp,
                })
            );
            // AIP-4111: never a scope and an audience of the API at once.
            assert_eq!(
                verified(sign_token(&key, api, NOW).unwrap()),
                json!({"iss": email, "sub": email, "aud": audience, "iat": iat, "exp": exp})
            );
        }
    }
}

#[test]
fn a_private_key_that_cannot_sign_is_refused_with_the_reason() {
    let garbage = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n".to_owned();
    let short = rsa_key(1024).to_pkcs8_pem(LineEnding::LF).unwrap().to_string();
    for (pem, reason) in [(garbage, "cannot be read"), (short, "other than 2048")] {
        let key = key_file(&pem);
        for signed in [sign_assertion(&key, Api::Compute, NOW), sign_token(&key, Api::Compute, NOW)] {
            let error = signed.expect_err(reason);
            assert_eq!(error.key, KEY);
            assert!(error.problem.contains(reason), "{error}");
            assert!(!error.problem.contains("MIIE"), "the key is quoted: {error}");
        }
    }
}

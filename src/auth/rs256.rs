//! RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, section 3.3), the only algorithm that Google accepts
//! from a service account.
//!
//! `jwt-compact` has an algorithm of this name, but it selects one of six at run time, which would
//! add all of them to the Worker, including SHA-384, SHA-512 and PSS.

use std::borrow::Cow;

use jwt_compact::{Algorithm, AlgorithmSignature};
use rsa::rand_core::OsRng;
use rsa::{Pkcs1v15Sign, RsaPrivateKey, RsaPublicKey};
use sha2::{Digest, Sha256};

/// The RS256 algorithm.
pub(super) struct Rs256;

/// A signature. It is empty if signing failed; no verifier accepts an empty signature.
pub(super) struct Signature(Vec<u8>);

impl AlgorithmSignature for Signature {
    fn try_from_slice(slice: &[u8]) -> anyhow::Result<Self> {
        Ok(Self(slice.to_vec()))
    }

    fn as_bytes(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.0)
    }
}

impl Algorithm for Rs256 {
    type SigningKey = RsaPrivateKey;
    type VerifyingKey = RsaPublicKey;
    type Signature = Signature;

    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed("RS256")
    }

    fn sign(&self, key: &RsaPrivateKey, message: &[u8]) -> Signature {
        // The random numbers are for blinding, which protects the key from timing attacks
        // (<https://rustsec.org/advisories/RUSTSEC-2023-0071.html>).
        let signed = key.sign_with_rng(&mut OsRng, scheme(), &Sha256::digest(message));
        Signature(signed.unwrap_or_default())
    }

    fn verify_signature(&self, signature: &Signature, key: &RsaPublicKey, message: &[u8]) -> bool {
        key.verify(scheme(), &Sha256::digest(message), &signature.0).is_ok()
    }
}

fn scheme() -> Pkcs1v15Sign {
    Pkcs1v15Sign::new::<Sha256>()
}

//! The proofs printed in RFC 9449.

use a0_dpop::{ProofError, ProofRules, Target, UnverifiedProof};
use a0_jose::NumericDate;

use super::common::parse_htu;

/// Method, URL, `iat`, outcome, proof.
type Printed = (
    &'static str,
    &'static str,
    i64,
    Result<(), ProofError>,
    &'static str,
);

/// The proofs in sections 4.1, 5 and 7.1 of RFC 9449, each with its own `iat`.
const PRINTED: [Printed; 3] = [
    (
        "POST",
        "https://server.example.com/token",
        1_562_262_616,
        Err(ProofError::MissingClaim("ath")),
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg",
    ),
    (
        "POST",
        "https://server.example.com/token",
        1_562_265_296,
        Err(ProofError::MissingClaim("ath")),
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjY1Mjk2fQ.pAqut2IRDm_De6PR93SYmGBPXpwrAk90e8cP2hjiaG5QsGSuKDYW7_X620BxqhvYC8ynrrvZLTk41mSRroapUA",
    ),
    (
        "GET",
        "https://resource.example.org/protectedresource",
        1_562_262_618,
        Ok(()),
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA",
    ),
];

#[test]
fn rfc9449_7_1_the_printed_proof_passes_and_those_for_a_token_endpoint_do_not() {
    let token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    let rules = ProofRules::new();
    for (method, url, iat, expected, proof) in PRINTED {
        let outcome = |method, url, token, now| {
            let now = NumericDate::from_unix_seconds(now);
            let request = Target::new(method, parse_htu(url), token);
            let unverified = rules.validate(proof, &request, None, now);
            unverified.and_then(UnverifiedProof::verify)
        };
        let verified = outcome(method, url, token, iat);
        if let Ok(verified) = &verified {
            // RFC 9449 section 6.1.
            let printed = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
            assert_eq!(verified.thumbprint().to_string(), printed);
            for (method, url, token, now, error) in [
                ("POST", url, token, iat, ProofError::Method),
                (
                    method,
                    "https://resource.example.org/",
                    token,
                    iat,
                    ProofError::Url,
                ),
                (method, url, "another", iat, ProofError::AccessToken),
                (method, url, token, iat + 301, ProofError::TooOld),
                (method, url, token, iat - 31, ProofError::FromTheFuture),
            ] {
                assert_eq!(outcome(method, url, token, now).map(|_| ()), Err(error));
            }
        }
        assert_eq!(verified.map(|_| ()), expected, "{iat}");
    }
}

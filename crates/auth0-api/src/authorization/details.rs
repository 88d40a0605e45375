//! `authorization_details` (RFC 9396): what exactly a token authorizes, as JSON objects with a `type`.

use a0_jose::{ClaimError, Claims};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::refusal::Refusal;
use crate::error::{Error, TokenError};
use crate::verification::detail::Detail;
use crate::verification::token::VerifiedToken;

const CLAIM: &str = "authorization_details";

const FORM: &str = "an array of objects, each with a 'type' that is a string and not blank";

impl VerifiedToken {
    /// `authorization_details` (RFC 9396 section 9.1), each as your own type: what exactly the token
    /// authorizes. Empty if the claim is absent.
    ///
    /// `D` must accept every type that the tenant issues for this API: an enum that serde tags by `type`, or
    /// [`serde_json::Value`]. To read the objects of one type only, call
    /// [`authorization_details_of_type`](VerifiedToken::authorization_details_of_type).
    ///
    /// # Errors
    ///
    /// `invalid_token` if the claim is not an array of objects, each with a string `type` that is not blank
    /// (section 2), or if an object does not fit `D`; [`Error::diagnosis`] then names the field. The values of
    /// all other members are the affair of `D`: with `#[serde(deny_unknown_fields)]`, a member that the API
    /// does not know is an error too.
    ///
    /// ```
    /// # fn handler(token: auth0_api::VerifiedToken) -> Result<(), auth0_api::Error> {
    /// #[derive(serde::Deserialize)]
    /// #[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
    /// enum Detail {
    ///     AccountInformation { accounts: Vec<String> },
    ///     PaymentInitiation { amount: u64, currency: String },
    /// }
    ///
    /// for detail in token.authorization_details::<Detail>()? {
    ///     match detail {
    ///         Detail::AccountInformation { accounts } => println!("may read {accounts:?}"),
    ///         Detail::PaymentInitiation { amount, currency } => println!("may pay {amount} {currency}"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn authorization_details<D: DeserializeOwned>(&self) -> Result<Vec<D>, Error> {
        self.details(|_| true)
    }

    /// The objects of one type in `authorization_details`, in their order. A type is compared octet for octet
    /// (RFC 9396 section 12), and may occur several times (section 2).
    ///
    /// The objects of other types need not fit `D`. `type` is one of the members, so a `D` with
    /// `#[serde(deny_unknown_fields)]` needs a field for it.
    ///
    /// # Errors
    ///
    /// Those of [`authorization_details`](VerifiedToken::authorization_details). The form of the objects of
    /// other types is judged too: one without a `type` refuses the token.
    ///
    /// ```
    /// # fn handler(token: auth0_api::VerifiedToken) -> Result<(), auth0_api::Error> {
    /// #[derive(serde::Deserialize)]
    /// struct Payment {
    ///     amount: u64,
    ///     currency: String,
    /// }
    ///
    /// let payments: Vec<Payment> = token.authorization_details_of_type("payment_initiation")?;
    /// let may_pay = payments.iter().any(|it| it.currency == "EUR" && it.amount >= 45);
    /// # let _ = may_pay;
    /// # Ok(())
    /// # }
    /// ```
    pub fn authorization_details_of_type<D: DeserializeOwned>(
        &self,
        kind: &str,
    ) -> Result<Vec<D>, Error> {
        self.details(|other| other == kind)
    }

    fn details<D: DeserializeOwned>(
        &self,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<D>, Error> {
        let entries = entries(self.claims()).map_err(|error| self.refused(error))?;
        let wanted = entries.iter().enumerate();
        let wanted = wanted.filter(|(_, entry)| is_wanted(entry.kind));
        wanted
            .map(|(index, entry)| self.typed_detail(index, entry.object))
            .collect()
    }

    fn typed_detail<D: DeserializeOwned>(&self, index: usize, object: &Value) -> Result<D, Error> {
        // Only the second run keeps track of the path to a field, which costs allocations.
        let typed = D::deserialize(object).or_else(|_| serde_path_to_error::deserialize(object));
        typed.map_err(|error| {
            let path = match error.path().to_string() {
                root if root == "." => format!("{CLAIM}[{index}]"),
                path => format!("{CLAIM}[{index}].{path}"),
            };
            let detail = Detail::of_typed_claims(&path, error.inner());
            self.refused(Refusal::from(TokenError::ClaimsForm).with_diagnosis(detail))
        })
    }
}

/// One object of the claim, and its `type`.
pub(super) struct Entry<'c> {
    pub(super) kind: &'c str,
    pub(super) object: &'c Value,
}

/// Reads the claim. One malformed object makes all of them unusable.
pub(super) fn entries(claims: &Claims) -> Result<Vec<Entry<'_>>, ClaimError> {
    let Some(claim) = claims.get(CLAIM) else {
        return Ok(Vec::new());
    };
    let entry = |object| {
        let kind = Value::as_object(object)?.get("type")?.as_str()?;
        let is_blank = kind.trim().is_empty();
        (!is_blank).then_some(Entry { kind, object })
    };
    let entries = claim
        .as_array()
        .and_then(|all| all.iter().map(entry).collect());
    entries.ok_or(ClaimError::new(CLAIM, FORM))
}

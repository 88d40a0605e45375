//! The content of a token: its header (RFC 7515 section 4), and its claims (RFC 7519 section 4) with their
//! NumericDate (section 2).

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use crate::error::{ClaimError, HeaderError};
use crate::json::{Document, Members, Node};

/// The header of a JWS. This crate uses none of its `jwk`, `jku`, `x5u` and `x5c`, neither to choose
/// a key nor to fetch one. Cloning is cheap. `Debug` shows the names of its members, but no values.
#[derive(Clone)]
pub struct Header(Arc<Document>);

impl Header {
    pub(crate) fn new(document: Document) -> Self {
        Header(Arc::new(document))
    }

    /// Returns a member by name.
    pub fn get(&self, name: &str) -> Option<Node<'_>> {
        self.members().get(name)
    }

    /// All members.
    pub fn members(&self) -> Members<'_> {
        self.0.members()
    }

    /// The `kid` (RFC 7515 section 4.1.4). It comes from the sender: only compare it with the `kid`
    /// of known keys.
    ///
    /// # Errors
    ///
    /// [`HeaderError::MissingKeyId`] where `kid` is absent or not a string.
    pub fn key_id(&self) -> Result<&str, HeaderError> {
        self.get("kid")
            .and_then(Node::as_str)
            .ok_or(HeaderError::MissingKeyId)
    }

    /// Returns whether `typ` is present and is this media type. Case is ignored, and `application/`
    /// may be omitted (RFC 7515 section 4.1.9).
    pub fn is_of_type(&self, media_type: &str) -> bool {
        let typ = self.get("typ").and_then(Node::as_str);
        typ.is_some_and(|typ| same_media_type(typ, media_type))
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Header ")?;
        self.members().fmt(formatter)
    }
}

/// Compares two values of `typ` or `cty`. A value without `/` means `application/` and that value
/// (RFC 7515 section 4.1.9).
pub(crate) fn same_media_type(left: &str, right: &str) -> bool {
    fn short(media_type: &str) -> &str {
        const PREFIX: &str = "application/";
        match media_type.split_at_checked(PREFIX.len()) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) && !rest.contains('/') => {
                rest
            }
            _ => media_type,
        }
    }
    short(left).eq_ignore_ascii_case(short(right))
}

/// A header with its segment, for later tokens with exactly the same header: see
/// [`Compact::decode_with_header`](crate::Compact::decode_with_header). The tokens that one key signs
/// usually share a header. It still has to pass the [`HeaderRules`](crate::HeaderRules) each time.
#[derive(Clone)]
pub struct DecodedHeader {
    segment: Box<[u8]>,
    header: Header,
}

impl DecodedHeader {
    pub(crate) fn new(segment: &[u8], header: &Header) -> Self {
        DecodedHeader {
            segment: segment.into(),
            header: header.clone(),
        }
    }

    /// The encoded header, the first segment of its token.
    pub fn segment(&self) -> &[u8] {
        &self.segment
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }
}

impl fmt::Debug for DecodedHeader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.header.fmt(formatter)
    }
}

/// The claims of one token, parsed once. Trust them only if they come from a
/// [`VerifiedJws`](crate::VerifiedJws), not from an [`Unverified`](crate::Unverified) token.
///
/// For a claim of a wrong type, a typed accessor returns an error instead of `None`. `null` is a
/// wrong type. `Debug` shows the names only.
///
/// ```
/// use a0_jose::{Compact, ClaimError};
///
/// // {"iss":"joe","sub":7}
/// let token = Compact::parse("e30.eyJpc3MiOiJqb2UiLCJzdWIiOjd9.", 100)?.decode()?;
/// assert_eq!(token.claims().issuer()?, Some("joe"));
/// assert_eq!(token.claims().subject(), Err(ClaimError::new("sub", "a string")));
/// assert_eq!(token.claims().issued_at()?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Claims {
    document: Document,
    /// Built by the first call of [`as_object`](Claims::as_object).
    object: OnceLock<Box<Map<String, Value>>>,
}

impl Claims {
    pub(crate) fn new(document: Document) -> Self {
        Claims {
            document,
            object: OnceLock::new(),
        }
    }

    /// Returns a claim of any type by name. It uses [`as_object`](Claims::as_object), which
    /// allocates on the first call.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.as_object().get(name)
    }

    /// Returns whether a claim is present. A claim with the value `null` is.
    pub fn contains(&self, name: &str) -> bool {
        self.members().get(name).is_some()
    }

    /// All claims. This does not allocate.
    pub fn members(&self) -> Members<'_> {
        self.document.members()
    }

    /// All claims, as a JSON object. The first call builds it.
    pub fn as_object(&self) -> &Map<String, Value> {
        let build = || Box::new(self.document.to_map());
        self.object.get_or_init(build)
    }

    /// Returns all claims as a JSON object by value.
    pub fn into_object(self) -> Map<String, Value> {
        let object = self.object.into_inner();
        object.map_or_else(|| self.document.to_map(), |object| *object)
    }

    /// Returns a claim that must be a string if it is present.
    ///
    /// # Errors
    ///
    /// [`ClaimError`] for every other type.
    pub fn string(&self, name: &'static str) -> Result<Option<&str>, ClaimError> {
        string(self.members().get(name), name)
    }

    /// Returns a claim that must be a NumericDate if it is present (RFC 7519 section 2).
    ///
    /// # Errors
    ///
    /// [`ClaimError`] for every other type.
    pub fn numeric_date(&self, name: &'static str) -> Result<Option<NumericDate>, ClaimError> {
        numeric_date(self.members().get(name), name)
    }

    /// Returns a claim that must be a string or an array of strings if it is present.
    ///
    /// # Errors
    ///
    /// [`ClaimError`] for every other type, including an array with a value that is not a string.
    pub fn strings(&self, name: &'static str) -> Result<Option<Vec<&str>>, ClaimError> {
        let expected = "a string or an array of strings";
        typed(self.members().get(name), name, expected, |value| {
            let single = value.as_str().map(|single| vec![single]);
            single.or_else(|| value.as_array()?.map(Node::as_str).collect())
        })
    }

    /// `iss`, RFC 7519 section 4.1.1.
    ///
    /// # Errors
    ///
    /// [`ClaimError`].
    pub fn issuer(&self) -> Result<Option<&str>, ClaimError> {
        self.string("iss")
    }

    /// `sub`, RFC 7519 section 4.1.2.
    ///
    /// # Errors
    ///
    /// [`ClaimError`].
    pub fn subject(&self) -> Result<Option<&str>, ClaimError> {
        self.string("sub")
    }

    /// `aud`, RFC 7519 section 4.1.3.
    ///
    /// # Errors
    ///
    /// [`ClaimError`].
    pub fn audiences(&self) -> Result<Option<Vec<&str>>, ClaimError> {
        self.strings("aud")
    }

    /// `exp`, RFC 7519 section 4.1.4.
    ///
    /// # Errors
    ///
    /// [`ClaimError`].
    pub fn expires_at(&self) -> Result<Option<NumericDate>, ClaimError> {
        self.numeric_date("exp")
    }

    /// `nbf`, RFC 7519 section 4.1.5.
    ///
    /// # Errors
    ///
    /// [`ClaimError`].
    pub fn not_before(&self) -> Result<Option<NumericDate>, ClaimError> {
        self.numeric_date("nbf")
    }

    /// `iat`, RFC 7519 section 4.1.6.
    ///
    /// # Errors
    ///
    /// [`ClaimError`].
    pub fn issued_at(&self) -> Result<Option<NumericDate>, ClaimError> {
        self.numeric_date("iat")
    }

    /// `jti`, RFC 7519 section 4.1.7.
    ///
    /// # Errors
    ///
    /// [`ClaimError`].
    pub fn token_id(&self) -> Result<Option<&str>, ClaimError> {
        self.string("jti")
    }
}

/// Reads a claim as the type that its standard defines, if it is present.
fn typed<'v, T>(
    value: Option<Node<'v>>,
    name: &'static str,
    expected: &'static str,
    read: impl FnOnce(Node<'v>) -> Option<T>,
) -> Result<Option<T>, ClaimError> {
    let read = |value| read(value).ok_or_else(|| ClaimError::new(name, expected));
    value.map(read).transpose()
}

pub(crate) fn string<'v>(
    value: Option<Node<'v>>,
    name: &'static str,
) -> Result<Option<&'v str>, ClaimError> {
    typed(value, name, "a string", Node::as_str)
}

pub(crate) fn numeric_date(
    value: Option<Node<'_>>,
    name: &'static str,
) -> Result<Option<NumericDate>, ClaimError> {
    typed(value, name, "a number", NumericDate::from_node)
}

/// Compares as JSON objects. The order of members does not matter.
impl PartialEq for Claims {
    fn eq(&self, other: &Self) -> bool {
        self.as_object() == other.as_object()
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Claims ")?;
        self.members().fmt(formatter)
    }
}

/// Seconds since 1970-01-01T00:00:00Z, ignoring leap seconds. Fractions are allowed.
///
/// The value is always finite, so two dates can always be compared and arithmetic never wraps.
///
/// It is an `f64`, which is exact for whole seconds up to 2^53 and rounds fractions: to 0.12 us in
/// 2030, and to 0.5 ms in the year 200 000. Beyond 2^53 seconds, adding or subtracting a short
/// duration may change nothing.
///
/// ```
/// use a0_jose::NumericDate;
///
/// let exp = NumericDate::from_json(&serde_json::json!(1.9e9)).ok_or("no number")?;
/// let now = NumericDate::from_unix_seconds(1_900_000_000);
/// assert!(now >= exp, "a token expires at the second of its exp");
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct NumericDate(f64);

impl NumericDate {
    /// Creates a date from whole seconds since the epoch.
    pub fn from_unix_seconds(seconds: i64) -> Self {
        NumericDate(seconds as f64)
    }

    /// Reads a JSON number, which may have a fraction or an exponent. Returns `None` for every
    /// other JSON value.
    pub fn from_json(value: &Value) -> Option<Self> {
        NumericDate::from_number(value.as_f64())
    }

    /// Like [`from_json`](NumericDate::from_json), for a value in a header or in claims.
    pub fn from_node(value: Node<'_>) -> Option<Self> {
        NumericDate::from_number(value.as_f64())
    }

    fn from_number(seconds: Option<f64>) -> Option<Self> {
        seconds
            .filter(|seconds| seconds.is_finite())
            .map(NumericDate)
    }

    /// Returns the seconds since the epoch, with their fraction.
    pub fn as_seconds(self) -> f64 {
        self.0
    }

    /// Returns whole seconds since the epoch, rounded down. Values beyond the range of `i64` become
    /// its minimum or maximum.
    pub fn as_unix_seconds(self) -> i64 {
        // A float-to-integer cast saturates.
        self.0.floor() as i64
    }

    /// Returns this date moved by `duration` into the future.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        NumericDate((self.0 + duration.as_secs_f64()).min(f64::MAX))
    }

    /// Returns this date moved by `duration` into the past.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        NumericDate((self.0 - duration.as_secs_f64()).max(f64::MIN))
    }
}

impl From<SystemTime> for NumericDate {
    /// A time before 1970 becomes a negative number.
    fn from(time: SystemTime) -> Self {
        NumericDate(match time.duration_since(UNIX_EPOCH) {
            Ok(since_epoch) => since_epoch.as_secs_f64(),
            Err(before_epoch) => -before_epoch.duration().as_secs_f64(),
        })
    }
}

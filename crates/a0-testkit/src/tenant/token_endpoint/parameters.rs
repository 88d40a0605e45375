use super::Refusal;
use crate::tenant::form;

/// The parameters of a token request.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let pairs =
            form::parse(body).ok_or_else(|| Refusal::invalid_request("The body is not a form"))?;
        // RFC 8707 section 2 allows several resources.
        let names = pairs.iter().map(|(name, _)| name.as_str());
        let mut names: Vec<&str> = names.filter(|name| *name != "resource").collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        if names.len() < count {
            return Err(Refusal::invalid_request("A parameter is repeated"));
        }
        Ok(Self(pairs))
    }

    /// All values of a parameter that may be repeated.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let pairs = self.0.iter().filter(|(other, _)| other == name);
        let values = pairs.map(|(_, value)| value.as_str());
        values.filter(|value| !value.is_empty()).collect()
    }

    /// A parameter without a value counts as omitted (RFC 6749 section 3.2).
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let pair = self.0.iter().find(|(other, _)| other == name);
        pair.map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// `missing` is the description of the error if there is no such parameter.
    pub(super) fn required(&self, name: &str, missing: &'static str) -> Result<&str, Refusal> {
        self.get(name)
            .ok_or_else(|| Refusal::invalid_request(missing))
    }
}

//! Cases from a seed, or from the name of one.

use std::collections::BTreeMap;

use a0_testkit::Error;
use serde_json::{Value, json};

use crate::draft::{AUDIENCE, Draft, Keys};
use crate::mutations::{Mutation, catalogue, fixed_parts_of, parts_of};
use crate::plain::{is_plain, make_plain};

pub(crate) struct Case {
    /// The base and its mutations: `dpop: token claim exp=null; proof header alg absent`.
    pub(crate) name: String,
    pub(crate) base: &'static str,
    pub(crate) mutations: Vec<String>,
    pub(crate) input: Value,
    /// The same without what only this SDK can be told, where there is any of that.
    pub(crate) plain: Option<Value>,
}

/// Calls that both SDKs accept. Weights follow the size of what can go wrong with each.
const BASES: &[(&str, &str, u64)] = &[
    ("token", "verify_access_token", 5),
    ("bearer", "verify_request", 5),
    ("dpop", "verify_request", 6),
    ("proof", "verify_dpop_proof", 5),
    ("exchange", "get_token_by_exchange_profile", 3),
    ("obo", "get_token_on_behalf_of", 1),
    ("connection", "get_access_token_for_connection", 2),
    ("domain", "normalize_domain", 1),
    ("actor", "get_current_actor", 1),
    ("chain", "get_delegation_chain", 1),
    ("thumbprint", "calculate_jwk_thumbprint", 1),
    ("age", "parse_cache_control_max_age", 1),
];

pub(crate) struct Generator {
    keys: Keys,
    catalogue: Vec<Mutation>,
    by_part: BTreeMap<String, Vec<usize>>,
}

impl Generator {
    pub(crate) fn new() -> Result<Self, Error> {
        let keys = Keys::generate()?;
        let catalogue = catalogue(&keys);
        let mut by_part: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, mutation) in catalogue.iter().enumerate() {
            let part = mutation.name.split(' ').next().unwrap_or_default();
            by_part.entry(part.to_owned()).or_default().push(at);
        }
        Ok(Generator {
            keys,
            catalogue,
            by_part,
        })
    }

    fn draft(&self, base: &str, call: &'static str) -> Result<Draft, Error> {
        let mut draft = Draft::new(call, &self.keys);
        let arguments = match base {
            "dpop" | "proof" => {
                draft = draft.with_proof(&self.keys)?;
                return Ok(draft);
            }
            "exchange" => json!({
                "subject_token": "subject", "subject_token_type": "urn:example:legacy",
                "audience": AUDIENCE,
            }),
            "obo" => json!({"access_token": "subject", "audience": AUDIENCE}),
            "connection" => json!({"connection": "google-oauth2", "access_token": "subject"}),
            "domain" => {
                draft
                    .options
                    .insert("text".to_owned(), "tenant.example".into());
                return Ok(draft);
            }
            "thumbprint" => {
                let key = self.keys.proof.public_jwk();
                draft.options.insert("key".to_owned(), key);
                return Ok(draft);
            }
            "age" => {
                draft.options.insert("text".to_owned(), "max-age=15".into());
                return Ok(draft);
            }
            _ => return Ok(draft),
        };
        draft.options.insert("arguments".to_owned(), arguments);
        Ok(draft)
    }

    fn mutations_of(&self, parts: &[&str]) -> Vec<&Mutation> {
        let places = parts
            .iter()
            .filter_map(|part| self.by_part.get(*part))
            .flatten();
        places.filter_map(|at| self.catalogue.get(*at)).collect()
    }

    fn build(
        &self,
        (base, call, _): (&'static str, &'static str, u64),
        mutations: &[&Mutation],
    ) -> Result<Case, Error> {
        let changed = || {
            let mut draft = self.draft(base, call)?;
            for mutation in mutations {
                (mutation.apply)(&mut draft);
            }
            Ok::<Draft, Error>(draft)
        };
        let draft = changed()?;
        let plain = match is_plain(&draft) {
            true => None,
            false => {
                let mut plain = changed()?;
                make_plain(&mut plain, &self.keys)?;
                Some(plain.finish()?)
            }
        };
        let mutations: Vec<String> = mutations.iter().map(|it| it.name.clone()).collect();
        Ok(Case {
            name: format!("{base}: {}", mutations.join("; ")),
            base,
            mutations,
            input: draft.finish()?,
            plain,
        })
    }

    /// The cases that every run has, whatever its seed.
    pub(crate) fn fixed(&self) -> Result<Vec<Case>, Error> {
        let mut cases = Vec::new();
        for base in BASES {
            for mutation in self.mutations_of(fixed_parts_of(base.1)) {
                cases.push(self.build(*base, &[mutation])?);
            }
        }
        Ok(cases)
    }

    /// Each base as it is, and with each mutation alone: the cases that say what is at fault.
    pub(crate) fn single(&self) -> Result<Vec<Case>, Error> {
        let mut cases = Vec::new();
        for base in BASES {
            cases.push(self.build(*base, &[])?);
            for mutation in self.mutations_of(parts_of(base.1)) {
                cases.push(self.build(*base, &[mutation])?);
            }
        }
        Ok(cases)
    }

    /// The next case of a random sequence: one to three mutations.
    pub(crate) fn random(&self, random: &mut Random) -> Result<Case, Error> {
        let mut at = random.below(BASES.iter().map(|(.., weight)| weight).sum());
        let mut base = BASES[0];
        for candidate in BASES {
            base = *candidate;
            if at < base.2 {
                break;
            }
            at -= base.2;
        }
        let parts = parts_of(base.1);
        let mut mutations = Vec::new();
        for _ in 0..=random.below(3) {
            // The part first, so that a small part is met as often as a large one.
            let part = parts[random.index(parts.len())];
            if let Some(places) = self.by_part.get(part) {
                mutations.push(&self.catalogue[places[random.index(places.len())]]);
            }
        }
        self.build(base, &mutations)
    }

    /// The case of that name, as in a row of the ledger.
    pub(crate) fn named(&self, name: &str) -> Result<Case, String> {
        let (wanted, rest) = name
            .split_once(": ")
            .unwrap_or((name.trim_end_matches(':'), ""));
        let base = BASES.iter().find(|(base, ..)| *base == wanted);
        let base = *base.ok_or_else(|| format!("there is no base `{wanted}`"))?;
        let parts = [parts_of(base.1), fixed_parts_of(base.1)].concat();
        let known = self.mutations_of(&parts);
        let mutations = rest.split("; ").filter(|it| !it.is_empty()).map(|wanted| {
            let found = known.iter().find(|mutation| mutation.name == wanted);
            found
                .copied()
                .ok_or_else(|| format!("{} has no mutation `{wanted}`", base.0))
        });
        let mutations: Vec<&Mutation> = mutations.collect::<Result<_, _>>()?;
        self.build(base, &mutations)
            .map_err(|error| error.to_string())
    }
}

/// SplitMix64: the same seed gives the same cases everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.index(at + 1));
        }
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_gives_the_same_cases_and_another_seed_others() {
        let generator = Generator::new().unwrap();
        let names = |seed| {
            let mut random = Random(seed);
            let cases = (0..20).map(|_| generator.random(&mut random).unwrap().name);
            cases.collect::<Vec<_>>()
        };
        assert_eq!(names(1), names(1));
        assert_ne!(names(1), names(2));
    }

    #[test]
    fn every_mutation_has_one_name_and_belongs_to_a_call() {
        let generator = Generator::new().unwrap();
        let mut names = BTreeSet::new();
        let names_again = generator.catalogue.iter().map(|mutation| &mutation.name);
        let again: Vec<_> = names_again.filter(|name| !names.insert(*name)).collect();
        assert_eq!(again, [""; 0]);
        let reached = BASES
            .iter()
            .flat_map(|(_, call, _)| [parts_of(call), fixed_parts_of(call)])
            .flat_map(|parts| generator.mutations_of(parts));
        let reached: BTreeSet<&String> = reached.map(|mutation| &mutation.name).collect();
        assert_eq!(reached, names);
    }

    #[test]
    fn a_name_gives_its_case_and_an_unknown_one_an_error() {
        let generator = Generator::new().unwrap();
        let name = "dpop: token claim exp absent; proof claim htm=\"POST\"";
        assert_eq!(generator.named(name).unwrap().name, name);
        assert_eq!(generator.named("connection:").unwrap().mutations.len(), 0);
        for unknown in [
            "nothing: x",
            "token: nothing",
            "token: proof claim htm=\"POST\"",
        ] {
            assert!(generator.named(unknown).is_err(), "{unknown}");
        }
    }
}

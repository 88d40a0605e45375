//! Cases from a seed, or from the name of one.

use serde_json::Value;

use crate::mutations::{Base, Mutation, catalogue};
use crate::plain::plain;
use crate::tenant::{Failure, Keys};

pub(crate) struct Case {
    /// The base and its mutations: `dpop: token claim exp=null; proof header alg absent`.
    pub(crate) name: String,
    pub(crate) base: String,
    pub(crate) mutations: Vec<String>,
    pub(crate) input: Value,
    /// The same without the options that only this SDK has, if it has any of them.
    pub(crate) plain: Option<Value>,
}

pub(crate) struct Generator {
    keys: Keys,
    bases: Vec<Base>,
    mutations: Vec<Mutation>,
}

impl Generator {
    pub(crate) fn new() -> Result<Self, Failure> {
        let keys = Keys::generate()?;
        let (bases, mutations) = catalogue(&keys)?;
        Ok(Generator {
            keys,
            bases,
            mutations,
        })
    }

    fn mutations_of<'g>(
        &'g self,
        parts: impl IntoIterator<Item = &'g String>,
    ) -> impl Iterator<Item = &'g Mutation> {
        let of = |part| self.mutations.iter().filter(move |it| it.part() == part);
        parts.into_iter().flat_map(of)
    }

    fn build(&self, base: &Base, mutations: &[&Mutation]) -> Result<Case, Failure> {
        let mut draft = base.draft(&self.keys)?;
        for mutation in mutations {
            mutation.apply(&mut draft);
        }
        let plain = plain(&draft, &self.keys)?.map(|plain| plain.finish(&self.keys));
        let mutations: Vec<String> = mutations.iter().map(|it| it.name.clone()).collect();
        Ok(Case {
            name: format!("{}: {}", base.name, mutations.join("; ")),
            base: base.name.clone(),
            mutations,
            input: draft.finish(&self.keys)?,
            plain: plain.transpose()?,
        })
    }

    /// Returns the cases that every run has, whatever its seed.
    pub(crate) fn fixed(&self) -> Result<Vec<Case>, Failure> {
        let cases = self.bases.iter().flat_map(|base| {
            let mutations = self.mutations_of(&base.fixed_parts);
            mutations.map(|mutation| self.build(base, &[mutation]))
        });
        cases.collect()
    }

    /// Returns each base unchanged and with each mutation alone. Their differences have one cause.
    pub(crate) fn single(&self) -> Result<Vec<Case>, Failure> {
        let cases = self.bases.iter().flat_map(|base| {
            let mutations = self.mutations_of(&base.parts);
            let changed = mutations.map(|mutation| self.build(base, &[mutation]));
            std::iter::once(self.build(base, &[])).chain(changed)
        });
        cases.collect()
    }

    /// Returns a base with one to three mutations.
    pub(crate) fn random(&self, random: &mut fastrand::Rng) -> Result<Case, Failure> {
        let weighted = self.bases.iter().flat_map(|base| vec![base; base.weight]);
        let base = random.choice(weighted.collect::<Vec<_>>());
        let base = base.ok_or("no base")?;
        let mut mutations = Vec::new();
        for _ in 0..random.usize(1..=3) {
            // The part is chosen first, so that a small part is as frequent as a large one.
            let of_part = self.mutations_of(random.choice(&base.parts));
            mutations.extend(random.choice(of_part.collect::<Vec<_>>()));
        }
        self.build(base, &mutations)
    }

    /// Returns the case of that name, as in a row of the ledger.
    pub(crate) fn named(&self, name: &str) -> Result<Case, Failure> {
        let (wanted, rest) = name.split_once(':').unwrap_or((name, ""));
        let base = self.bases.iter().find(|base| base.name == wanted);
        let base = base.ok_or_else(|| format!("there is no base `{wanted}`"))?;
        let parts = || base.parts.iter().chain(&base.fixed_parts);
        let wanted = rest.trim_start().split("; ").filter(|it| !it.is_empty());
        let mutations = wanted.map(|wanted| {
            let found = self.mutations_of(parts()).find(|it| it.name == wanted);
            found.ok_or_else(|| format!("{} has no mutation `{wanted}`", base.name))
        });
        self.build(base, &mutations.collect::<Result<Vec<_>, _>>()?)
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
            let mut random = fastrand::Rng::with_seed(seed);
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
        let names_again = generator.mutations.iter().map(|mutation| &mutation.name);
        let again: Vec<_> = names_again.filter(|name| !names.insert(*name)).collect();
        assert_eq!(again, [""; 0]);
        let bases = generator.bases.iter();
        let parts = bases.flat_map(|base| base.parts.iter().chain(&base.fixed_parts));
        let reached = generator.mutations_of(parts);
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

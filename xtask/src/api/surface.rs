//! The public items of a library, found by following its public modules and its `pub use`.

use std::collections::{BTreeMap, BTreeSet};

use syn::{Fields, ImplItem, Item, ItemImpl, TraitItem, Visibility};

use super::library::{
    Definition, Import, Library, attributes, condition, is_public, join, name_of, path_of, segments,
};
use super::signature;

/// One line for each public item, in the order of their paths.
pub(super) fn public_lines(library: &Library) -> Vec<String> {
    let mut page = Page {
        library,
        first: BTreeMap::new(),
        lines: BTreeSet::new(),
    };
    page.module("", "", "");
    page.implementations();
    page.lines.into_iter().map(|(_, _, line)| line).collect()
}

struct Page<'a> {
    library: &'a Library,
    /// The first public path of each definition that has one, with its `cfg` attributes.
    first: BTreeMap<Definition, (String, String)>,
    /// Path, rank and text.
    lines: BTreeSet<(String, u8, String)>,
}

impl Page<'_> {
    fn module(&mut self, module: &str, public: &str, outer: &str) {
        let library = self.library;
        let Some(content) = library.modules.get(module) else {
            return;
        };
        let public_items = content.items.iter().filter(|item| is_public(item));
        let (modules, items): (Vec<_>, Vec<_>) =
            public_items.partition(|item| matches!(item, Item::Mod(_)));
        for name in items
            .into_iter()
            .filter_map(name_of)
            .map(ToString::to_string)
        {
            self.item(module, &name, &join(public, &name), outer);
        }
        for import in content.imports.iter().filter(|import| import.is_public) {
            self.import(
                module,
                public,
                import,
                &(outer.to_owned() + &import.condition),
            );
        }
        // Last, so that an item has the shortest of its paths.
        for item in modules {
            let name = name_of(item).map(ToString::to_string).unwrap_or_default();
            let cfg = outer.to_owned() + &condition(attributes(item));
            self.inner_module(&join(module, &name), &join(public, &name), &cfg);
        }
    }

    fn inner_module(&mut self, module: &str, public: &str, cfg: &str) {
        self.line(public, 0, cfg, format!("pub mod {public}"));
        self.module(module, public, cfg);
    }

    fn import(&mut self, module: &str, public: &str, import: &Import, cfg: &str) {
        let is_glob = import.name == "*";
        let path = import.path.join("::") + if is_glob { "::*" } else { "" };
        let is_alias = !is_glob && import.path.last() != Some(&import.name);
        let alias = if is_alias {
            format!(" as {}", import.name)
        } else {
            String::new()
        };
        let own = self.library.resolve(module, &import.path);
        match own {
            Some((inner, name)) if name.is_empty() && is_glob => self.module(&inner, public, cfg),
            Some((inner, name)) if name.is_empty() => {
                self.inner_module(&inner, &join(public, &import.name), cfg);
            }
            Some((inner, name)) => self.item(&inner, &name, &join(public, &import.name), cfg),
            None => {
                let public = join(public, &import.name);
                self.line(&public, 0, cfg, format!("pub use {path}{alias}"));
            }
        }
    }

    fn item(&mut self, module: &str, name: &str, public: &str, outer: &str) {
        let library = self.library;
        let definition = (module.to_owned(), name.to_owned());
        if let Some((first, _)) = self.first.get(&definition) {
            let line = format!("pub use {first} as {public}");
            return self.line(public, 0, outer, line);
        }
        self.first
            .insert(definition, (public.to_owned(), outer.to_owned()));
        for item in library
            .definitions(module, name)
            .filter(|item| is_public(item))
        {
            let cfg = outer.to_owned() + &condition(attributes(item));
            let mut line = named(&signature::item(item.clone()), name, public);
            match item {
                Item::Struct(it) => {
                    self.fields(&it.fields, public, &cfg);
                    if it
                        .fields
                        .iter()
                        .any(|it| !matches!(it.vis, Visibility::Public(_)))
                    {
                        line += " { .. }";
                    }
                }
                Item::Enum(it) => {
                    for variant in &it.variants {
                        let path = join(public, &variant.ident.to_string());
                        self.line(&path, 1, &cfg, path.clone() + &fields_of(&variant.fields));
                    }
                }
                Item::Trait(it) => {
                    it.items
                        .iter()
                        .for_each(|item| self.trait_item(item, public, &cfg));
                }
                _ => {}
            }
            self.line(public, 0, &cfg, line);
        }
    }

    fn fields(&mut self, fields: &Fields, public: &str, cfg: &str) {
        for (index, field) in fields.iter().enumerate() {
            if matches!(field.vis, Visibility::Public(_)) {
                let name = field
                    .ident
                    .as_ref()
                    .map_or(index.to_string(), ToString::to_string);
                let path = join(public, &name);
                let line = format!("pub {path}: {}", signature::type_of(&field.ty));
                self.line(&path, 1, cfg, line);
            }
        }
    }

    fn trait_item(&mut self, item: &TraitItem, public: &str, outer: &str) {
        let (name, line, attributes) = match item {
            TraitItem::Fn(it) => {
                let line = signature::function(&it.attrs, &Visibility::Inherited, &it.sig);
                let provided = if it.default.is_some() { " { .. }" } else { "" };
                (&it.sig.ident, line + provided, &it.attrs)
            }
            TraitItem::Const(it) => {
                let line = format!("const {}: {}", it.ident, signature::type_of(&it.ty));
                (&it.ident, line, &it.attrs)
            }
            TraitItem::Type(it) => (&it.ident, format!("type {}", it.ident), &it.attrs),
            _ => return,
        };
        self.member(
            public,
            1,
            &name.to_string(),
            &line,
            &(outer.to_owned() + &condition(attributes)),
        );
    }

    /// The methods of public types, and the implementations for a public type or of a public trait.
    fn implementations(&mut self) {
        let library = self.library;
        for (module, content) in &library.modules {
            for item in &content.items {
                if let Item::Impl(it) = item {
                    let cfg = content.condition.clone() + &condition(&it.attrs);
                    self.implementation(module, it, &cfg);
                }
            }
        }
    }

    fn implementation(&mut self, module: &str, it: &ItemImpl, cfg: &str) {
        let public_path = |path: &[String]| {
            let definition = self.library.resolve(module, path);
            definition.map(|definition| self.first.get(&definition).cloned())
        };
        let of_type = path_of(&it.self_ty)
            .and_then(|path| public_path(&path))
            .flatten();
        let of_trait = it
            .trait_
            .as_ref()
            .map(|(path, _)| public_path(&segments(path)));
        match (of_type, of_trait) {
            (Some((public, outer)), None) => {
                self.methods(&it.items, &public, &merged(&outer, cfg));
            }
            // A trait of this crate that users cannot see.
            (_, Some(Some(None))) => {}
            (Some((public, outer)), Some(_)) | (None, Some(Some(Some((public, outer))))) => {
                let line = signature::item(Item::Impl(it.clone()));
                self.line(&public, 3, &merged(&outer, cfg), line);
            }
            (None, _) => {}
        }
    }

    fn methods(&mut self, items: &[ImplItem], public: &str, outer: &str) {
        for item in items {
            let (name, line, attributes) = match item {
                ImplItem::Macro(it) => {
                    let library = self.library;
                    let name = it.mac.path.get_ident().map(ToString::to_string);
                    let made = name.and_then(|name| library.macros.get(&name));
                    self.methods(made.map_or(&[], Vec::as_slice), public, outer);
                    continue;
                }
                ImplItem::Fn(it) if matches!(it.vis, Visibility::Public(_)) => {
                    let line = signature::function(&it.attrs, &it.vis, &it.sig);
                    (&it.sig.ident, line, &it.attrs)
                }
                ImplItem::Const(it) if matches!(it.vis, Visibility::Public(_)) => {
                    let line = format!("pub const {}: {}", it.ident, signature::type_of(&it.ty));
                    (&it.ident, line, &it.attrs)
                }
                _ => continue,
            };
            self.member(
                public,
                2,
                &name.to_string(),
                &line,
                &(outer.to_owned() + &condition(attributes)),
            );
        }
    }

    fn member(&mut self, public: &str, rank: u8, name: &str, line: &str, cfg: &str) {
        let path = join(public, name);
        self.line(&path, rank, cfg, named(line, name, &path));
    }

    fn line(&mut self, path: &str, rank: u8, cfg: &str, line: String) {
        self.lines
            .insert((path.to_owned(), rank, format!("{cfg}{line}")));
    }
}

/// The `cfg` attributes of a type and of an implementation, each once.
fn merged(of_type: &str, of_implementation: &str) -> String {
    let new = of_implementation
        .split_inclusive("] ")
        .filter(|it| !of_type.contains(it));
    of_type.to_owned() + &new.collect::<String>()
}

/// The text with the path in place of the name.
fn named(text: &str, name: &str, path: &str) -> String {
    for keyword in [
        "fn ", "struct ", "enum ", "trait ", "type ", "const ", "static ",
    ] {
        let declared = format!("{keyword}{name}");
        if text.contains(&declared) {
            return text.replacen(&declared, &format!("{keyword}{path}"), 1);
        }
    }
    text.to_owned()
}

fn fields_of(fields: &Fields) -> String {
    let field = |field: &syn::Field| {
        let name = field
            .ident
            .as_ref()
            .map(|name| format!("{name}: "))
            .unwrap_or_default();
        name + &signature::type_of(&field.ty)
    };
    let list = fields.iter().map(field).collect::<Vec<_>>().join(", ");
    match fields {
        Fields::Unit => list,
        Fields::Unnamed(_) => format!("({list})"),
        Fields::Named(_) => format!(" {{ {list} }}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn the_page_lists_what_users_can_name() {
        for (source, expected) in [
            ("pub fn f<T: Copy>(mut a: T, b: &[u8]) -> Option<T> where T: Send { None } fn g() {}",
             "pub fn f<T: Copy>(mut a: T, b: &[u8]) -> Option<T> where T: Send,"),
            ("pub const N: usize = 4; pub(crate) const M: u8 = 1; pub type T<'a> = &'a str;",
             "pub const N: usize = 4\npub type T<'a> = &'a str"),
            ("/// Text.\n#[derive(Debug)] #[allow(x)] #[must_use] pub struct S<'a> { pub a: &'a str, b: u8 }",
             "#[derive(Debug)] #[must_use] pub struct S<'a> { .. }\npub S::a: &'a str"),
            ("pub struct U; pub struct P(pub u8, u8); #[non_exhaustive] pub enum E { A, B(u8), C { d: u8 } }",
             "#[non_exhaustive] pub enum E\nE::A\nE::B(u8)\nE::C { d: u8 }\npub struct P { .. }\npub P::0: u8\npub struct U"),
            ("pub trait T { const N: u8; type O; fn f(&self) -> Self::O; fn g(&self) {} } impl<X> T for X {}",
             "pub trait T\nimpl<X> T for X\nconst T::N: u8\ntype T::O\nfn T::f(&self) -> Self::O\nfn T::g(&self) { .. }"),
            ("pub struct S; impl S { pub fn f(mut self) -> Self { self } fn g() {} pub const N: u8 = 1; } struct H; impl H { pub fn f() {} }",
             "pub struct S\npub const S::N: u8\npub fn S::f(self) -> Self"),
            ("pub struct S; trait Hidden {} impl Hidden for S {} impl Clone for S {} impl<'a> From<&'a S> for u8 {}",
             "pub struct S\nimpl Clone for S"),
            ("mod a { pub struct S; pub fn f() {} mod b { impl super::S { pub fn g() {} } } } pub use a::S;",
             "pub struct S\npub fn S::g()"),
            ("mod a { pub use self::b::{S as T, f}; mod b { pub struct S; pub fn f() {} } } pub use a::*; pub use crate::a::f as g;",
             "pub struct T\npub fn f()\npub use f as g"),
            ("pub mod a { pub use super::S; } pub struct S; pub use other::{X, y as Z, w::*};",
             "pub use other::w::*\npub struct S\npub use other::X\npub use other::y as Z\npub mod a\npub use S as a::S"),
            ("#[cfg(feature = \"x\")] pub mod a { pub struct S; } #[cfg(feature = \"x\")] impl a::S { pub fn f() {} } #[cfg(test)] pub fn t() {}",
             "#[cfg(feature = \"x\")] pub mod a\n#[cfg(feature = \"x\")] pub struct a::S\n#[cfg(feature = \"x\")] pub fn a::S::f()"),
            ("macro_rules! m { () => { pub fn f(&self) {} }; } pub struct S; impl S { m!(); }",
             "pub struct S\npub fn S::f(&self)"),
        ] {
            let lines = public_lines(&Library::of(source).unwrap());
            assert_eq!(lines.join("\n"), expected, "{source}");
        }
        assert!(Library::of("macro_rules! m { ($a:ident) => { pub fn $a() {} }; }").is_err());
    }
}

//! The items of a library as its users see them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use syn::token::{Brace, Underscore};
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, Block, Field, Fields, File, Ident, ImplItem, Item, ItemImpl, ItemStruct, Meta,
    PatIdent, Receiver, Type, TypeInfer, Visibility,
};

/// The public items of a library as text. `root` is the file of its root module.
pub(super) fn public_items(root: &Path) -> Result<String, String> {
    text_of(read(root)?, root.parent().unwrap_or(root))
}

fn text_of(items: Vec<Item>, folder: &Path) -> Result<String, String> {
    let mut library = Library::default();
    let items = library.flatten(items, folder, &[])?;
    Ok(text(library.public(items)))
}

fn read(file: &Path) -> Result<Vec<Item>, String> {
    let source = std::fs::read_to_string(file).map_err(|error| error.to_string());
    let parsed = source.and_then(|it| syn::parse_file(&it).map_err(|error| error.to_string()));
    let parsed = parsed.map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(parsed.items)
}

/// What decides whether users see an implementation. Names are compared without their paths, so the page
/// may show an implementation of a private type that has the name of a public one.
#[derive(Default)]
struct Library {
    public_types: BTreeSet<String>,
    /// The traits, and whether each is public.
    traits: BTreeMap<String, bool>,
    /// The methods that a macro makes.
    macros: BTreeMap<String, Vec<ImplItem>>,
}

impl Library {
    /// Puts the items of private modules in place of the modules, and leaves out what is for tests.
    /// `outer` are the `cfg` attributes of the private modules around the items.
    fn flatten(
        &mut self,
        items: Vec<Item>,
        folder: &Path,
        outer: &[Attribute],
    ) -> Result<Vec<Item>, String> {
        let mut flat = Vec::new();
        for mut item in items {
            let Some((name, is_public, attributes)) = parts(&mut item) else {
                continue;
            };
            if attributes.iter().any(is_for_tests) {
                continue;
            }
            attributes.splice(0..0, outer.iter().cloned());
            match &mut item {
                Item::Mod(module) => {
                    let below = folder.join(&name);
                    let inner = match module.content.take() {
                        Some((_, items)) => items,
                        None => {
                            let files = [folder.join(format!("{name}.rs")), below.join("mod.rs")];
                            read(files.iter().find(|it| it.exists()).unwrap_or(&files[0]))?
                        }
                    };
                    if !is_public {
                        module.attrs.retain(|it| it.path().is_ident("cfg"));
                        let mut inner = self.flatten(inner, &below, &module.attrs)?;
                        inner.retain(|item| !matches!(item, Item::Use(_)));
                        flat.extend(inner);
                        continue;
                    }
                    let inner = self.flatten(inner, &below, &[])?;
                    module.content = Some((Brace::default(), inner));
                }
                // `pin_project!` and the like hold items.
                Item::Macro(it) if it.ident.is_none() => {
                    if let Ok(inner) = it.mac.parse_body::<File>() {
                        flat.extend(self.flatten(inner.items, folder, outer)?);
                    }
                    continue;
                }
                Item::Macro(it) => {
                    if let Some(methods) = public_methods(&it.mac.tokens.to_string()) {
                        let unknown = "makes public items and is not `() => { methods }`";
                        let methods = methods.map_err(|it| format!("`{name}` {unknown}: {it}"))?;
                        self.macros.insert(name, methods);
                    }
                }
                Item::Trait(_) => *self.traits.entry(name).or_default() |= is_public,
                Item::Enum(_) | Item::Struct(_) | Item::Type(_) if is_public => {
                    self.public_types.insert(name);
                }
                _ => {}
            }
            flat.push(item);
        }
        Ok(flat)
    }

    /// The public items, sorted by name. The methods of a type are one block, also if the source has
    /// several.
    fn public(&self, items: Vec<Item>) -> Vec<Item> {
        let mut sorted: BTreeMap<(String, bool, String), Item> = BTreeMap::new();
        for mut item in items {
            let Some((mut name, is_public, _)) = parts(&mut item) else {
                continue;
            };
            let mut members = Vec::new();
            if let Item::Impl(it) = &mut item {
                members = self.members(it);
                match self.subject(it) {
                    Some(subject) if it.trait_.is_some() || !members.is_empty() => name = subject,
                    _ => continue,
                }
            } else if !is_public {
                continue;
            }
            AsUsersSeeIt.visit_item_mut(&mut item);
            if let Item::Mod(it) = &mut item
                && let Some((_, inner)) = &mut it.content
            {
                *inner = self.public(std::mem::take(inner));
            }
            let is_impl = matches!(item, Item::Impl(_));
            let key = (name, is_impl, text(vec![item.clone()]));
            if let Item::Impl(block) = sorted.entry(key).or_insert(item) {
                block.items.extend(members);
                block.items.sort_by_cached_key(name_of_member);
            }
        }
        sorted.into_values().collect()
    }

    /// The public type or trait that an implementation is about.
    fn subject(&self, it: &ItemImpl) -> Option<String> {
        let of_type = name_of_type(&it.self_ty).filter(|name| self.public_types.contains(name));
        let Some((path, _)) = &it.trait_ else {
            return of_type;
        };
        let of_trait = path.segments.last()?.ident.to_string();
        match self.traits.get(&of_trait) {
            Some(false) => None,
            Some(true) => of_type.or(Some(of_trait)),
            None => of_type,
        }
    }

    /// Takes the members that users see out of a block: public methods and constants, or the types of
    /// a trait.
    fn members(&self, block: &mut ItemImpl) -> Vec<ImplItem> {
        let of_macro = |name: String| self.macros.get(&name).cloned().unwrap_or_default();
        let items = std::mem::take(&mut block.items).into_iter();
        let items = items.flat_map(|item| match item {
            ImplItem::Macro(it) => it
                .mac
                .path
                .get_ident()
                .map_or(vec![], |it| of_macro(it.to_string())),
            item => vec![item],
        });
        let is_seen = |item: &ImplItem| match item {
            ImplItem::Const(it) => is_public(&it.vis),
            ImplItem::Fn(it) => is_public(&it.vis),
            item => matches!(item, ImplItem::Type(_)),
        };
        let mut seen: Vec<ImplItem> = items.filter(is_seen).collect();
        seen.iter_mut()
            .for_each(|item| AsUsersSeeIt.visit_impl_item_mut(item));
        seen
    }
}

/// Removes bodies, documentation and private fields.
struct AsUsersSeeIt;

impl VisitMut for AsUsersSeeIt {
    fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
        let kept = [
            "cfg",
            "derive",
            "macro_export",
            "must_use",
            "non_exhaustive",
        ];
        attributes.retain(|it| kept.iter().any(|name| it.path().is_ident(name)));
    }

    fn visit_block_mut(&mut self, body: &mut Block) {
        body.stmts.clear();
    }

    fn visit_item_struct_mut(&mut self, item: &mut ItemStruct) {
        visit_mut::visit_item_struct_mut(self, item);
        for field in item.fields.iter_mut().filter(|it| !is_public(&it.vis)) {
            field.attrs.clear();
            if let Some(name) = &mut field.ident {
                *name = Ident::new("_private", name.span());
            }
            field.ty = Type::Infer(TypeInfer {
                attrs: Vec::new(),
                underscore_token: Underscore::default(),
            });
        }
        if let Fields::Named(fields) = &mut item.fields {
            let mut named: Vec<Field> = std::mem::take(&mut fields.named).into_iter().collect();
            named.sort_by_key(|it| !is_public(&it.vis));
            named.dedup_by(|a, b| a.ident == b.ident);
            fields.named = named.into_iter().collect();
        }
    }

    fn visit_pat_ident_mut(&mut self, argument: &mut PatIdent) {
        // `mut a` is the same to a caller, and so is `mut self` below.
        argument.mutability = None;
    }

    fn visit_receiver_mut(&mut self, receiver: &mut Receiver) {
        receiver.mutability = None;
    }
}

/// The name, whether it is public, and the attributes of each kind of item that can be public or that
/// tells something about one. The names of imports and implementations are empty.
fn parts(item: &mut Item) -> Option<(String, bool, &mut Vec<Attribute>)> {
    let (name, is_public, attributes) = match item {
        Item::Const(it) => (Some(&it.ident), is_public(&it.vis), &mut it.attrs),
        Item::Enum(it) => (Some(&it.ident), is_public(&it.vis), &mut it.attrs),
        Item::Fn(it) => (Some(&it.sig.ident), is_public(&it.vis), &mut it.attrs),
        Item::Impl(it) => (None, false, &mut it.attrs),
        Item::Macro(it) => {
            let is_exported = it.attrs.iter().any(|it| it.path().is_ident("macro_export"));
            (it.ident.as_ref(), is_exported, &mut it.attrs)
        }
        Item::Mod(it) => (Some(&it.ident), is_public(&it.vis), &mut it.attrs),
        Item::Static(it) => (Some(&it.ident), is_public(&it.vis), &mut it.attrs),
        Item::Struct(it) => (Some(&it.ident), is_public(&it.vis), &mut it.attrs),
        Item::Trait(it) => (Some(&it.ident), is_public(&it.vis), &mut it.attrs),
        Item::Type(it) => (Some(&it.ident), is_public(&it.vis), &mut it.attrs),
        Item::Use(it) => (None, is_public(&it.vis), &mut it.attrs),
        _ => return None,
    };
    let name = name.map(ToString::to_string).unwrap_or_default();
    Some((name, is_public, attributes))
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn is_for_tests(attribute: &Attribute) -> bool {
    let Meta::List(list) = &attribute.meta else {
        return false;
    };
    let condition = list.tokens.to_string();
    let mut words = condition.split(|it: char| !it.is_alphanumeric());
    list.path.is_ident("cfg")
        && !condition.contains("not")
        && words.any(|it| ["test", "doctest", "loom"].contains(&it))
}

/// The methods of `() => { methods }`, or `None` if the macro makes nothing public.
fn public_methods(rules: &str) -> Option<syn::Result<Vec<ImplItem>>> {
    if !rules.replace("pub (", "").contains("pub ") {
        return None;
    }
    let rules = rules.trim_start_matches("() =>");
    let body = rules.trim_end_matches([';', ' ']);
    Some(syn::parse_str(&format!("impl T {body}")).map(|block: ItemImpl| block.items))
}

/// The last name in the path of a type, or of the type that a reference points to.
fn name_of_type(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(it) => Some(it.path.segments.last()?.ident.to_string()),
        Type::Reference(it) => name_of_type(&it.elem),
        _ => None,
    }
}

fn name_of_member(item: &ImplItem) -> Option<String> {
    match item {
        ImplItem::Const(it) => Some(it.ident.to_string()),
        ImplItem::Fn(it) => Some(it.sig.ident.to_string()),
        ImplItem::Type(it) => Some(it.ident.to_string()),
        _ => None,
    }
}

fn text(items: Vec<Item>) -> String {
    prettyplease::unparse(&File {
        shebang: None,
        frontmatter: None,
        attrs: Vec::new(),
        items,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn the_page_shows_what_users_can_name() {
        for (source, expected) in [
            ("pub fn f<T: Copy>(mut a: T, b: &[u8]) -> T where T: Send { a } fn g() {}",
             "pub fn f<T: Copy>(a: T, b: &[u8]) -> T where T: Send, {}"),
            ("pub const N: usize = 4; pub(crate) const M: u8 = 1; pub type T<'a> = &'a str;",
             "pub const N: usize = 4; pub type T<'a> = &'a str;"),
            ("/// Text.\n#[derive(Debug)] #[allow(x)] #[must_use] pub struct S { b: u8, /** T */ pub a: u8, c: u8 }",
             "#[derive(Debug)] #[must_use] pub struct S { pub a: u8, _private: _, }"),
            ("pub struct U; pub struct P(pub u8, u8); #[non_exhaustive] pub enum E { /** A */ A, B(u8), C { d: u8 } }",
             "#[non_exhaustive] pub enum E { A, B(u8), C { d: u8 }, } pub struct P(pub u8, _); pub struct U;"),
            ("pub trait T { const N: u8; type O; fn f(&self) -> Self::O; fn g(&self) { h() } } impl<X> T for X {}",
             "pub trait T { const N: u8; type O; fn f(&self) -> Self::O; fn g(&self) {} } impl<X> T for X {}"),
            ("pub struct S; impl S { pub fn f(mut self) {} } struct H; impl H { pub fn f() {} } impl S { fn g() {} pub const N: u8 = 1; }",
             "pub struct S; impl S { pub const N: u8 = 1; pub fn f(self) {} }"),
            ("pub struct S; trait Hidden {} impl Hidden for S {} impl Clone for S {} impl<'a> From<&'a S> for u8 {} struct H; impl Clone for H {}",
             "pub struct S; impl Clone for S {}"),
            ("pub struct S; impl<'a> IntoIterator for &'a S { type Item = u8; fn into_iter(self) {} }",
             "pub struct S; impl<'a> IntoIterator for &'a S { type Item = u8; }"),
            ("mod a { pub struct S; mod b { impl super::S { pub fn g() {} } } } pub use a::S as T; use x::y; pub use other::{X, y::*};",
             "pub use a::S as T; pub use other::{X, y::*}; pub struct S; impl super::S { pub fn g() {} }"),
            ("#[cfg(unix)] pub mod a { pub struct S; struct H; } #[cfg(unix)] mod b { pub fn f() {} } #[cfg(test)] pub fn t() {} #[cfg(not(test))] pub fn u() {}",
             "#[cfg(unix)] pub mod a { pub struct S; } #[cfg(unix)] pub fn f() {} #[cfg(not(test))] pub fn u() {}"),
            ("macro_rules! m { () => { pub fn f(&self) {} }; } pub struct S; impl S { m!(); }",
             "pub struct S; impl S { pub fn f(&self) {} }"),
            ("mod a { pub use self::b::f; mod b { pub fn f() {} } } pub use a::f; pin! { pub struct S { #[pin] pub a: u8 } } pin!(a, b);",
             "pub use a::f; pub struct S { pub a: u8, } pub fn f() {}"),
            ("#[macro_export] macro_rules! m { () => { x }; } macro_rules! n { () => { y }; }",
             "#[macro_export] macro_rules! m { () => { x }; }"),
        ] {
            let items = syn::parse_file(source).unwrap().items;
            let found = text_of(items, Path::new("")).unwrap();
            let found: Vec<&str> = found.split_whitespace().collect();
            assert_eq!(found.join(" "), expected, "{source}");
        }
        let unknown = syn::parse_file("macro_rules! m { ($a:ident) => { pub fn $a() {} }; }");
        assert!(text_of(unknown.unwrap().items, Path::new("")).is_err());
    }
}

//! A library as its modules, their items, and the names that they import.

use std::collections::BTreeMap;
use std::path::Path;

use syn::{Attribute, Ident, ImplItem, Item, ItemImpl, Meta, Type, UseTree, Visibility};

#[derive(Default)]
pub(super) struct Library {
    /// Modules by their paths. The path of the root is empty.
    pub(super) modules: BTreeMap<String, Module>,
    /// The methods that a macro makes.
    pub(super) macros: BTreeMap<String, Vec<ImplItem>>,
}

#[derive(Default)]
pub(super) struct Module {
    pub(super) items: Vec<Item>,
    pub(super) imports: Vec<Import>,
    /// The `cfg` attributes of the module and of those around it.
    pub(super) condition: String,
}

/// A name that a `use` brings into its module.
pub(super) struct Import {
    /// `*` for all names.
    pub(super) name: String,
    pub(super) path: Vec<String>,
    pub(super) is_public: bool,
    pub(super) condition: String,
}

/// The module and the name of a definition. The name of a module itself is empty.
pub(super) type Definition = (String, String);

impl Library {
    pub(super) fn read(root: &Path) -> Result<Self, String> {
        let mut library = Self::default();
        library.add_file(root, "", root.parent().unwrap_or(root), "")?;
        Ok(library)
    }

    #[cfg(test)]
    pub(super) fn of(source: &str) -> Result<Self, String> {
        let mut library = Self::default();
        let items = syn::parse_file(source)
            .map_err(|error| error.to_string())?
            .items;
        library.add_module(items, "", Path::new(""), "")?;
        Ok(library)
    }

    fn add_file(
        &mut self,
        file: &Path,
        path: &str,
        folder: &Path,
        cfg: &str,
    ) -> Result<(), String> {
        let source = std::fs::read_to_string(file).map_err(|error| error.to_string());
        let parsed = source.and_then(|it| syn::parse_file(&it).map_err(|error| error.to_string()));
        let items = parsed
            .map_err(|error| format!("{}: {error}", file.display()))?
            .items;
        self.add_module(items, path, folder, cfg)
    }

    fn add_module(
        &mut self,
        items: Vec<Item>,
        path: &str,
        folder: &Path,
        cfg: &str,
    ) -> Result<(), String> {
        let mut module = Module {
            condition: cfg.to_owned(),
            ..Module::default()
        };
        for mut item in items
            .into_iter()
            .filter(|item| !is_for_tests(attributes(item)))
        {
            if let Item::Macro(it) = &item
                && let Some(name) = &it.ident
                && let Some(items) = public_methods(&it.mac.tokens.to_string())
            {
                let unknown = "the macro makes public items and is not `() => { methods }`";
                let items =
                    items.map_err(|error| format!("`{name}` in `{path}`: {unknown}: {error}"))?;
                self.macros.insert(name.to_string(), items);
            }
            if let Item::Use(it) = &item {
                let mut names = Vec::new();
                flatten(&it.tree, &[], &mut names);
                module
                    .imports
                    .extend(names.into_iter().map(|(name, path)| Import {
                        name,
                        path,
                        is_public: matches!(it.vis, Visibility::Public(_)),
                        condition: condition(&it.attrs),
                    }));
            }
            if let Item::Mod(inner) = &mut item {
                let name = inner.ident.to_string();
                let (path, below) = (join(path, &name), folder.join(&name));
                let cfg = cfg.to_owned() + &condition(&inner.attrs);
                if let Some((_, items)) = inner.content.take() {
                    self.add_module(items, &path, &below, &cfg)?;
                } else {
                    let files = [folder.join(format!("{name}.rs")), below.join("mod.rs")];
                    let file = files.iter().find(|file| file.exists()).unwrap_or(&files[0]);
                    self.add_file(file, &path, &below, &cfg)?;
                }
            }
            module.items.push(item);
        }
        self.modules.insert(path.to_owned(), module);
        Ok(())
    }

    /// The definition in this crate that a path in a module means, if any.
    pub(super) fn resolve(&self, module: &str, path: &[String]) -> Option<Definition> {
        // Imports can go in circles.
        const DEPTH: u8 = 9;
        self.resolve_to(module, path, DEPTH)
    }

    fn resolve_to(&self, module: &str, path: &[String], depth: u8) -> Option<Definition> {
        let Some((first, rest)) = path.split_first() else {
            return Some((module.to_owned(), String::new()));
        };
        let outer = || {
            module
                .rsplit_once("::")
                .map_or("", |(outer, _)| outer)
                .to_owned()
        };
        let inner = match first.as_str() {
            "crate" => Some(String::new()),
            "self" => Some(module.to_owned()),
            "super" => Some(outer()),
            _ => Some(join(module, first)).filter(|inner| self.modules.contains_key(inner)),
        };
        if let Some(inner) = inner {
            return self.resolve_to(&inner, rest, depth);
        }
        if rest.is_empty() && self.definitions(module, first).next().is_some() {
            return Some((module.to_owned(), first.clone()));
        }
        let depth = depth.checked_sub(1)?;
        self.modules.get(module)?.imports.iter().find_map(|import| {
            let rest = match import.name.as_str() {
                "*" => path,
                name if name == first => rest,
                _ => return None,
            };
            // A name of another crate must not be looked up in this module again.
            let root = import.path.first()?;
            let known = ["crate", "self", "super"].contains(&root.as_str());
            let known = known || self.modules.contains_key(&join(module, root));
            known.then(|| self.resolve_to(module, &[&import.path, rest].concat(), depth))?
        })
    }

    pub(super) fn definitions<'a>(
        &'a self,
        module: &str,
        name: &'a str,
    ) -> impl Iterator<Item = &'a Item> {
        let items = self.modules.get(module).map(|module| &module.items);
        let items = items.into_iter().flatten();
        items.filter(move |item| name_of(item).is_some_and(|it| it == name))
    }
}

pub(super) fn join(module: &str, name: &str) -> String {
    [module, name].join(if module.is_empty() { "" } else { "::" })
}

pub(super) fn name_of(item: &Item) -> Option<&Ident> {
    parts(item).map(|parts| parts.1)
}

pub(super) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Impl(it) => &it.attrs,
        Item::Macro(it) => &it.attrs,
        Item::Use(it) => &it.attrs,
        item => parts(item).map_or(&[], |parts| parts.0),
    }
}

pub(super) fn is_public(item: &Item) -> bool {
    parts(item).is_some_and(|parts| matches!(parts.2, Visibility::Public(_)))
}

fn parts(item: &Item) -> Option<(&[Attribute], &Ident, &Visibility)> {
    match item {
        Item::Const(it) => Some((&it.attrs, &it.ident, &it.vis)),
        Item::Enum(it) => Some((&it.attrs, &it.ident, &it.vis)),
        Item::Fn(it) => Some((&it.attrs, &it.sig.ident, &it.vis)),
        Item::Mod(it) => Some((&it.attrs, &it.ident, &it.vis)),
        Item::Static(it) => Some((&it.attrs, &it.ident, &it.vis)),
        Item::Struct(it) => Some((&it.attrs, &it.ident, &it.vis)),
        Item::Trait(it) => Some((&it.attrs, &it.ident, &it.vis)),
        Item::Type(it) => Some((&it.attrs, &it.ident, &it.vis)),
        _ => None,
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    let condition = condition(attributes);
    let words: Vec<&str> = condition.split(|it: char| !it.is_alphanumeric()).collect();
    ["test", "doctest", "loom"]
        .iter()
        .any(|it| words.contains(it))
        && !words.contains(&"not")
}

/// The `cfg` attributes, each followed by a space.
pub(super) fn condition(attributes: &[Attribute]) -> String {
    let mut text = String::new();
    for attribute in attributes.iter().filter(|it| it.path().is_ident("cfg")) {
        if let Meta::List(list) = &attribute.meta {
            let tokens = list.tokens.to_string();
            text += &format!("#[cfg({})] ", tokens.replace(" (", "(").replace(" ,", ","));
        }
    }
    text
}

/// The methods of `() => { methods }`, or `None` if the macro makes nothing public.
fn public_methods(rules: &str) -> Option<syn::Result<Vec<ImplItem>>> {
    if !rules.replace("pub (", "").contains("pub ") {
        return None;
    }
    let body = rules
        .trim_start_matches("() =>")
        .trim_end_matches([';', ' ']);
    Some(syn::parse_str(&format!("impl T {body}")).map(|block: ItemImpl| block.items))
}

pub(super) fn segments(path: &syn::Path) -> Vec<String> {
    path.segments
        .iter()
        .map(|it| it.ident.to_string())
        .collect()
}

/// The path of a type, or of the type that a reference points to.
pub(super) fn path_of(ty: &Type) -> Option<Vec<String>> {
    match ty {
        Type::Path(it) => Some(segments(&it.path)),
        Type::Reference(it) => path_of(&it.elem),
        _ => None,
    }
}

fn flatten(tree: &UseTree, path: &[String], names: &mut Vec<(String, Vec<String>)>) {
    let below = |ident: &Ident| [path, &[ident.to_string()]].concat();
    match tree {
        UseTree::Path(it) => flatten(&it.tree, &below(&it.ident), names),
        UseTree::Name(it) if it.ident == "self" => {
            names.extend(path.last().map(|name| (name.clone(), path.to_vec())));
        }
        UseTree::Name(it) => names.push((it.ident.to_string(), below(&it.ident))),
        UseTree::Rename(it) => names.push((it.rename.to_string(), below(&it.ident))),
        UseTree::Glob(_) => names.push(("*".to_owned(), path.to_vec())),
        UseTree::Group(it) => it.items.iter().for_each(|tree| flatten(tree, path, names)),
    }
}

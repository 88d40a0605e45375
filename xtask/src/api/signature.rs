//! Items as text on one line.

use syn::{Attribute, Fields, File, FnArg, Item, ItemFn, ItemType, Signature, Type, Visibility};

/// The item without its body and with the attributes that concern its users.
pub(super) fn item(mut item: Item) -> String {
    match &mut item {
        Item::Const(it) => keep_public(&mut it.attrs),
        Item::Enum(it) => {
            keep_public(&mut it.attrs);
            it.variants.clear();
        }
        Item::Fn(it) => return function(&it.attrs, &it.vis, &it.sig),
        Item::Impl(it) => {
            it.attrs.clear();
            it.items.clear();
        }
        Item::Static(it) => keep_public(&mut it.attrs),
        Item::Struct(it) => {
            keep_public(&mut it.attrs);
            it.fields = Fields::Unit;
        }
        Item::Trait(it) => {
            keep_public(&mut it.attrs);
            it.items.clear();
        }
        Item::Type(it) => keep_public(&mut it.attrs),
        _ => {}
    }
    let text = one_line(item);
    text.trim_end_matches([';', '{', '}', ' ']).to_owned()
}

pub(super) fn function(
    attributes: &[Attribute],
    visibility: &Visibility,
    sig: &Signature,
) -> String {
    let Ok(mut function) = syn::parse_str::<ItemFn>("fn f() {}") else {
        return String::new();
    };
    function.attrs = attributes.to_vec();
    function.vis = visibility.clone();
    function.sig = sig.clone();
    // `mut self` is the same to a caller.
    if let Some(FnArg::Receiver(receiver)) = function.sig.inputs.first_mut() {
        receiver.mutability = None;
    }
    keep_public(&mut function.attrs);
    one_line(Item::Fn(function))
        .trim_end_matches(['{', '}', ' '])
        .to_owned()
}

pub(super) fn type_of(ty: &Type) -> String {
    let Ok(mut alias) = syn::parse_str::<ItemType>("type T = ();") else {
        return String::new();
    };
    alias.ty = Box::new(ty.clone());
    let text = one_line(Item::Type(alias));
    text.trim_start_matches("type T = ")
        .trim_end_matches(';')
        .to_owned()
}

fn keep_public(attributes: &mut Vec<Attribute>) {
    let kept = ["derive", "must_use", "non_exhaustive"];
    attributes.retain(|it| kept.iter().any(|name| it.path().is_ident(name)));
}

fn one_line(item: Item) -> String {
    let file = File {
        shebang: None,
        frontmatter: None,
        attrs: Vec::new(),
        items: vec![item],
    };
    let mut text = String::new();
    for line in prettyplease::unparse(&file).lines().map(str::trim) {
        let closes = line.starts_with([')', ']', '>']);
        if closes {
            text.truncate(text.trim_end_matches(',').len());
        } else if !text.is_empty() && !text.ends_with(['(', '[', '<']) {
            text.push(' ');
        }
        text.push_str(line);
    }
    text
}

//! The annotated function, taken apart as far as the expansion needs it.

use proc_macro2::{Span, TokenStream};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Signature, Visibility, braced};

/// An `async fn` whose body is left as tokens.
pub(crate) struct Function {
    /// Attributes in front of the function, documentation included.
    pub(crate) outer: Vec<Attribute>,
    /// Attributes at the start of the body: `#![...]`.
    pub(crate) inner: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    /// The statements, without braces and without the inner attributes.
    pub(crate) body: TokenStream,
    /// The braces of the body: where the compiler points when a value is missing at its end.
    pub(crate) body_span: Span,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let outer = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let sig = input.parse()?;
        let content;
        let braces = braced!(content in input);
        let inner = content.call(Attribute::parse_inner)?;
        let body = content.parse()?;
        Ok(Function { outer, inner, vis, sig, body, body_span: braces.span.join() })
    }
}

impl Function {
    /// The attribute that already makes this function a test: `#[test]`, or its full path below
    /// `core` or `std`.
    pub(crate) fn test_attribute(&self) -> Option<&Attribute> {
        self.outer.iter().find(|attr| {
            let path = attr.path();
            let names: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
            match names.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                ["test"] => path.leading_colon.is_none(),
                ["core" | "std", "prelude", _, "test"] => true,
                _ => false,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn has_test_attribute(attr: TokenStream) -> bool {
        let function: Function = syn::parse2(quote! { #attr async fn f() {} }).unwrap();
        function.test_attribute().is_some()
    }

    #[test]
    fn splits_attributes_signature_and_body() {
        let function: Function = syn::parse2(quote! {
            /// Documented.
            #[ignore]
            pub async fn f(n: u32) -> u32 { #![allow(dead_code)] n + 1 }
        })
        .unwrap();
        assert_eq!(function.outer.len(), 2);
        assert_eq!(function.inner.len(), 1);
        assert_eq!(function.sig.ident, "f");
        assert_eq!(function.body.to_string(), "n + 1");
    }

    #[test]
    fn an_unfinished_body_still_parses() {
        assert!(syn::parse2::<Function>(quote! { async fn f() { let x = socket. } }).is_ok());
    }

    #[test]
    fn finds_the_test_attribute_under_its_names_only() {
        assert!(has_test_attribute(quote!(#[test])));
        assert!(has_test_attribute(quote!(#[::core::prelude::v1::test])));
        assert!(has_test_attribute(quote!(#[std::prelude::rust_2024::test])));
        assert!(!has_test_attribute(quote!(#[should_panic])));
        assert!(!has_test_attribute(quote!(#[test_log::test])));
    }
}

//! The synchronous function that takes the place of the annotated one.
//!
//! ```text
//! #[::core::prelude::v1::test]                 // Kind::Test only
//! <attributes> <signature without async> {
//!     let body = async move { <hint> <body> };
//!     return <crate>::runtime::Builder::<flavor>()<settings>
//!         .enable_all().build().expect(..).block_on(body);
//! }
//! ```
//!
//! `<hint>` is a `return` of the declared type that never runs. Without it the compiler would
//! learn the type of the body's value from the body, and report a wrong value not where it
//! stands but at the call of `block_on`.

use crate::args::{Args, Errors, Flavor, Kind, UnhandledPanic};
use crate::function::Function;
use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, ReturnType, Type};

/// Expands `#[cmwq::main(args)] item` or `#[cmwq::test(args)] item`.
///
/// Mistakes become `compile_error!`s beside a function that still compiles.
pub(crate) fn expand(kind: Kind, args: TokenStream, item: TokenStream) -> TokenStream {
    let mut function = match syn::parse2::<Function>(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            let message = format!("`#[{}]` goes on an `async fn` with a body", kind.name());
            return with_error(item, &Error::new(error.span(), message));
        }
    };
    if function.sig.asyncness.is_none() {
        let message =
            format!("`#[{}]` goes on an `async fn`: put `async` before `fn`", kind.name());
        return with_error(item, &Error::new(function.sig.fn_token.span, message));
    }

    let mut errors = Errors::default();
    let args = Args::parse(kind, args).unwrap_or_else(|error| {
        errors.note(Err(error));
        Args::defaults(kind)
    });
    let add_test = kind == Kind::Test && function.test_attribute().is_none();
    match kind {
        Kind::Test => errors.note(refuse_second_test(&function)),
        Kind::Main => errors.note(take_arguments_of_main(&mut function)),
    }

    let test_attribute = add_test.then(|| quote!(#[::core::prelude::v1::test]));
    let function = synchronous(kind, &args, function);
    let expanded = quote!(#test_attribute #function);
    match errors.into_result(()) {
        Ok(()) => expanded,
        Err(error) => with_error(expanded, &error),
    }
}

fn refuse_second_test(function: &Function) -> syn::Result<()> {
    match function.test_attribute() {
        Some(attr) => Err(Error::new_spanned(
            attr,
            "`#[cmwq::test]` makes this function a test already: remove the second test attribute",
        )),
        None => Ok(()),
    }
}

/// `main` has no caller that could give it arguments; functions of other names have.
///
/// The arguments, and the body that would miss them, are taken out of the expansion.
fn take_arguments_of_main(function: &mut Function) -> syn::Result<()> {
    if function.sig.ident != "main" || function.sig.inputs.is_empty() {
        return Ok(());
    }
    let inputs = std::mem::take(&mut function.sig.inputs);
    function.body = quote!(::core::unreachable!());
    Err(Error::new_spanned(inputs, "the `main` function takes no arguments: remove them"))
}

fn synchronous(kind: Kind, args: &Args, function: Function) -> TokenStream {
    let Function { outer, inner, vis, mut sig, body, body_span } = function;
    sig.asyncness = None;

    let output = nameable_output(&sig.output);
    let place = match &sig.output {
        ReturnType::Default => sig.ident.span(),
        ReturnType::Type(_, ty) => ty.span(),
    };
    let hint = output.as_ref().map(|output| return_hint(output, place));
    let mut block = Group::new(Delimiter::Brace, quote!(#hint #body));
    block.set_span(body_span);

    let future = Ident::new("body", Span::mixed_site());
    let pinned = match (kind, &output) {
        (Kind::Test, Some(output)) => Some(erased(&future, output)),
        _ => None,
    };
    let runtime = runtime(args);
    quote! {
        #(#outer)*
        #vis #sig {
            #(#inner)*
            let #future = async move #block;
            #pinned
            #[allow(
                clippy::diverging_sub_expression,
                clippy::expect_used,
                clippy::needless_return,
                clippy::unwrap_in_result
            )]
            {
                return #runtime.block_on(#future);
            }
        }
    }
}

/// The expression that builds the runtime.
fn runtime(args: &Args) -> TokenStream {
    let krate = match &args.crate_path {
        Some(path) => quote!(#path),
        None => quote!(::cmwq),
    };
    let new = match args.flavor {
        Flavor::MultiThread => quote!(new_multi_thread),
        Flavor::CurrentThread => quote!(new_current_thread),
    };
    let worker_threads = args.worker_threads.as_ref().map(|setting| {
        let (name, value) = (&setting.name, setting.value);
        quote!(.#name(#value))
    });
    let start_paused = args.start_paused.as_ref().map(|setting| {
        let (name, value) = (&setting.name, setting.value);
        quote!(.#name(#value))
    });
    let unhandled_panic = args.unhandled_panic.as_ref().map(|setting| {
        let name = &setting.name;
        let value = match setting.value {
            UnhandledPanic::Ignore => quote!(Ignore),
            UnhandledPanic::ShutdownRuntime => quote!(ShutdownRuntime),
        };
        quote!(.#name(#krate::runtime::UnhandledPanic::#value))
    });
    quote! {
        #krate::runtime::Builder::#new()
            #worker_threads
            #start_paused
            #unhandled_panic
            .enable_all()
            .build()
            .expect("Failed building the Runtime")
    }
}

/// The declared type of the value, where an expression may name it: not `impl Trait`, and not
/// `!`, which is no type for a value on stable compilers.
fn nameable_output(output: &ReturnType) -> Option<TokenStream> {
    match output {
        ReturnType::Default => Some(quote!(())),
        ReturnType::Type(_, ty) if matches!(**ty, Type::Never(_)) => None,
        ReturnType::Type(_, ty) => {
            let tokens = quote!(#ty);
            (!mentions_impl(tokens.clone())).then_some(tokens)
        }
    }
}

fn mentions_impl(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "impl",
        TokenTree::Group(group) => mentions_impl(group.stream()),
        _ => false,
    })
}

/// `place` is where the compiler says that the type of the value comes from.
fn return_hint(output: &TokenStream, place: Span) -> TokenStream {
    let span = Span::mixed_site().located_at(place);
    let value = Ident::new("value", span);
    quote_spanned! {span=>
        if let ::core::option::Option::Some(#value) = ::core::option::Option::None::<#output> {
            return #value;
        }
    }
}

/// Pins the body behind one type for all tests, so that `block_on` is compiled once for a file
/// of many tests that return the same type.
fn erased(future: &Ident, output: &TokenStream) -> TokenStream {
    quote! {
        let #future: ::core::pin::Pin<
            &mut dyn ::core::future::Future<Output = #output>
        > = ::core::pin::pin!(#future);
    }
}

fn with_error(mut tokens: TokenStream, error: &Error) -> TokenStream {
    tokens.extend(error.to_compile_error());
    tokens
}

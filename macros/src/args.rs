//! The arguments of the attributes: `name = value`, separated by commas.
//!
//! Values are checked here and nowhere else. An error carries the span of the word that is wrong
//! and says what is accepted in its place; independent errors are collected, so that one
//! compilation shows all of them.

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, ExprLit, Ident, Lit, Path, Token};

/// What the user may write, for messages about what he may not.
const ACCEPTED: &str =
    "`flavor`, `worker_threads`, `start_paused`, `unhandled_panic` and `crate` are accepted";
const FLAVOR: &str = "`flavor` takes \"multi_thread\" or \"current_thread\"";
const WORKER_THREADS: &str =
    "`worker_threads` takes a number, 1 or more, as in `worker_threads = 4`";
const START_PAUSED: &str = "`start_paused` takes `true` or `false`";
const UNHANDLED_PANIC: &str = "`unhandled_panic` takes \"ignore\" or \"shutdown_runtime\"";
const CRATE: &str = "`crate` takes a path in quotes, as in `crate = \"::cmwq\"`";

/// Which of the two attributes is expanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Main,
    Test,
}

impl Kind {
    /// The attribute as the user writes it, without brackets.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Main => "cmwq::main",
            Kind::Test => "cmwq::test",
        }
    }
}

/// Which constructor of the runtime's builder is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavor {
    MultiThread,
    CurrentThread,
}

/// What a panic in a spawned task does to the runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnhandledPanic {
    Ignore,
    ShutdownRuntime,
}

/// A value and the name that it was given under, whose span the generated call takes: where the
/// builder has no such method (`start_paused` without `test-util`), the compiler points there.
pub(crate) struct Setting<T> {
    pub(crate) name: Ident,
    pub(crate) value: T,
}

/// The checked arguments. `None` leaves the builder's default.
pub(crate) struct Args {
    pub(crate) flavor: Flavor,
    pub(crate) worker_threads: Option<Setting<usize>>,
    pub(crate) start_paused: Option<Setting<bool>>,
    pub(crate) unhandled_panic: Option<Setting<UnhandledPanic>>,
    pub(crate) crate_path: Option<Path>,
}

impl Args {
    /// What an attribute without arguments means.
    pub(crate) fn defaults(kind: Kind) -> Args {
        Given::default().with_defaults(kind)
    }

    /// Parses and checks everything between the parentheses of the attribute.
    pub(crate) fn parse(kind: Kind, tokens: TokenStream) -> syn::Result<Args> {
        let pairs = Punctuated::<Pair, Token![,]>::parse_terminated.parse2(tokens)?;
        let mut given = Given::default();
        let mut errors = Errors::default();
        let names_flavor = pairs.iter().any(|pair| pair.name == "flavor");
        for pair in pairs {
            errors.note(given.set(pair));
        }
        let misses_flavor = names_flavor && given.flavor.is_none();
        let args = given.with_defaults(kind);
        // A flavor that was written wrong was perhaps the right one for the other arguments.
        if !misses_flavor {
            errors.note(args.check_worker_threads(kind));
            errors.note(args.check_start_paused(kind));
        }
        errors.into_result(args)
    }

    fn check_worker_threads(&self, kind: Kind) -> syn::Result<()> {
        match &self.worker_threads {
            Some(setting) if self.flavor != Flavor::MultiThread => Err(Error::new(
                setting.name.span(),
                format!(
                    "`worker_threads` needs the multi_thread flavor: write \
                     `#[{}(flavor = \"multi_thread\", worker_threads = {})]`",
                    kind.name(),
                    setting.value
                ),
            )),
            _ => Ok(()),
        }
    }

    fn check_start_paused(&self, kind: Kind) -> syn::Result<()> {
        match &self.start_paused {
            Some(setting) if self.flavor != Flavor::CurrentThread => Err(Error::new(
                setting.name.span(),
                format!(
                    "`start_paused` needs the current_thread flavor: write \
                     `#[{}(flavor = \"current_thread\", start_paused = {})]`",
                    kind.name(),
                    setting.value
                ),
            )),
            _ => Ok(()),
        }
    }
}

/// The arguments that were written, before defaults.
#[derive(Default)]
struct Given {
    flavor: Option<Setting<Flavor>>,
    worker_threads: Option<Setting<usize>>,
    start_paused: Option<Setting<bool>>,
    unhandled_panic: Option<Setting<UnhandledPanic>>,
    crate_path: Option<Setting<Path>>,
}

impl Given {
    fn set(&mut self, Pair { name, value }: Pair) -> syn::Result<()> {
        match name.to_string().as_str() {
            "flavor" => set_once(&mut self.flavor, name, || flavor(&value)),
            "worker_threads" => set_once(&mut self.worker_threads, name, || number(&value)),
            "start_paused" => set_once(&mut self.start_paused, name, || boolean(&value)),
            "unhandled_panic" => set_once(&mut self.unhandled_panic, name, || on_panic(&value)),
            "crate" => set_once(&mut self.crate_path, name, || path(&value)),
            unknown => Err(Error::new(name.span(), format!("unknown `{unknown}`: {ACCEPTED}"))),
        }
    }

    fn with_defaults(self, kind: Kind) -> Args {
        let default_flavor = match kind {
            Kind::Main => Flavor::MultiThread,
            Kind::Test => Flavor::CurrentThread,
        };
        Args {
            flavor: self.flavor.map_or(default_flavor, |setting| setting.value),
            worker_threads: self.worker_threads,
            start_paused: self.start_paused,
            unhandled_panic: self.unhandled_panic,
            crate_path: self.crate_path.map(|setting| setting.value),
        }
    }
}

/// Fills `slot`, or says that it was filled before.
fn set_once<T>(
    slot: &mut Option<Setting<T>>,
    name: Ident,
    value: impl FnOnce() -> syn::Result<T>,
) -> syn::Result<()> {
    if slot.is_some() {
        return Err(Error::new(name.span(), format!("`{name}` is given twice: keep one of them")));
    }
    *slot = Some(Setting { value: value()?, name });
    Ok(())
}

fn flavor(value: &Expr) -> syn::Result<Flavor> {
    match string(value, FLAVOR)?.as_str() {
        "multi_thread" => Ok(Flavor::MultiThread),
        "current_thread" => Ok(Flavor::CurrentThread),
        other => Err(Error::new_spanned(value, format!("unknown flavor \"{other}\": {FLAVOR}"))),
    }
}

fn on_panic(value: &Expr) -> syn::Result<UnhandledPanic> {
    match string(value, UNHANDLED_PANIC)?.as_str() {
        "ignore" => Ok(UnhandledPanic::Ignore),
        "shutdown_runtime" => Ok(UnhandledPanic::ShutdownRuntime),
        other => Err(Error::new_spanned(
            value,
            format!("unknown panic behavior \"{other}\": {UNHANDLED_PANIC}"),
        )),
    }
}

fn number(value: &Expr) -> syn::Result<usize> {
    let parsed = match value {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse().ok(),
        _ => None,
    };
    parsed.filter(|&number| number > 0).ok_or_else(|| Error::new_spanned(value, WORKER_THREADS))
}

fn boolean(value: &Expr) -> syn::Result<bool> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Bool(value), .. }) => Ok(value.value),
        _ => Err(Error::new_spanned(value, START_PAUSED)),
    }
}

fn path(value: &Expr) -> syn::Result<Path> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => text.parse_with(Path::parse_mod_style),
        _ => Err(Error::new_spanned(value, CRATE)),
    }
    .map_err(|_| Error::new_spanned(value, CRATE))
}

fn string(value: &Expr, accepted: &str) -> syn::Result<String> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(text.value()),
        _ => Err(Error::new_spanned(value, accepted)),
    }
}

/// `name = value`, not yet checked.
struct Pair {
    name: Ident,
    value: Expr,
}

impl Parse for Pair {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let start = input.span();
        // parse_any: `crate` is a keyword.
        let name = input
            .call(Ident::parse_any)
            .map_err(|_| Error::new(start, format!("expected `name = value`: {ACCEPTED}")))?;
        if !input.peek(Token![=]) {
            return Err(Error::new(name.span(), no_value(&name)));
        }
        input.parse::<Token![=]>()?;
        if input.is_empty() || input.peek(Token![,]) {
            return Err(Error::new(name.span(), no_value(&name)));
        }
        Ok(Pair { name, value: input.parse()? })
    }
}

/// What to write instead of a name that stands alone.
fn no_value(name: &Ident) -> String {
    match name.to_string().as_str() {
        flavor @ ("multi_thread" | "current_thread") => {
            format!("`{flavor}` is a flavor: write `flavor = \"{flavor}\"`")
        }
        "flavor" => format!("`flavor` needs a value: {FLAVOR}"),
        "worker_threads" => format!("`worker_threads` needs a value: {WORKER_THREADS}"),
        "start_paused" => format!("`start_paused` needs a value: {START_PAUSED}"),
        "unhandled_panic" => format!("`unhandled_panic` needs a value: {UNHANDLED_PANIC}"),
        "crate" => format!("`crate` needs a value: {CRATE}"),
        unknown => format!("unknown `{unknown}`: {ACCEPTED}"),
    }
}

/// Errors seen so far, joined into one that the compiler shows as many.
#[derive(Default)]
pub(crate) struct Errors(Option<Error>);

impl Errors {
    pub(crate) fn note(&mut self, result: syn::Result<()>) {
        if let Err(error) = result {
            match &mut self.0 {
                Some(first) => first.combine(error),
                none => *none = Some(error),
            }
        }
    }

    pub(crate) fn into_result<T>(self, value: T) -> syn::Result<T> {
        self.0.map_or(Ok(value), Err)
    }
}

#[cfg(test)]
mod tests;

//! Chat templates: Jinja as `transformers` compiles it.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use minijinja::{
    Environment, Error as JinjaError, ErrorKind, State, Value, escape_formatter,
    syntax::SyntaxConfig,
};

use super::{
    budget,
    content::{ContentForm, to_value},
    find, pyjson,
};
use crate::{
    Error, Result,
    sample::{Message, Part, Role},
    tokenizer::Tokenizer,
};

/// Work and memory one rendering may use: templates come from strangers.
/// One unit is about one instruction or 64 bytes, so this is 256 MiB at most; what the engine does
/// not count is paid for in [`budget`].
const FUEL: u64 = 1 << 22;
/// How long one rendering may take: operators do work that the engine does not count, such as comparing
/// two lists that are each a list twice over, many times.
const PATIENCE: Duration = Duration::from_secs(10);
/// The stack of a rendering, as that of a program's main thread.
const STACK: usize = 8 << 20;
const NAME: &str = "chat_template";

/// A compiled chat template.
///
/// Renders what `transformers`' `apply_chat_template(…, tokenize=False)` renders
/// (`transformers/utils/chat_template_utils.py`): `trim_blocks`, `lstrip_blocks`, loop controls,
/// `raise_exception`, `strftime_now`, unescaped `tojson`, Python's methods on strings and
/// dictionaries, and `{% generation %}` blocks.
#[derive(Clone)]
pub struct ChatTemplate {
    environment: Arc<Environment<'static>>,
    patience: Duration,
    origin: PathBuf,
    source: String,
    takes_text: bool,
    takes_parts: bool,
}

/// How to render.
#[derive(Clone, Debug)]
pub struct RenderOptions<'a> {
    /// End with the header of an assistant turn.
    pub add_generation_prompt: bool,
    /// The form of the content; `None` lets [`ChatTemplate::form_for`] choose.
    pub form: Option<ContentForm>,
    /// A picture's placeholder in the text form.
    pub image: &'a str,
    /// A video's placeholder in the text form.
    pub video: &'a str,
}

impl Default for RenderOptions<'_> {
    fn default() -> Self {
        Self { add_generation_prompt: false, form: None, image: "<image>", video: "<video>" }
    }
}

impl ChatTemplate {
    /// The template of a model directory, in any of its three places.
    ///
    /// # Errors
    /// No place has a template, or it does not compile.
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Self> {
        let (path, source) = find::find(dir.as_ref())?;
        Self::new(source, path)
    }

    /// A template from its source; `origin` names it in error messages (a file, a GGUF key).
    ///
    /// # Errors
    /// The source does not compile.
    pub fn new(source: impl Into<String>, origin: impl Into<PathBuf>) -> Result<Self> {
        let source = source.into();
        let mut this = Self {
            environment: Arc::default(),
            patience: PATIENCE,
            origin: origin.into(),
            takes_text: false,
            takes_parts: false,
            source,
        };
        let mut environment = environment().map_err(|e| this.explain(&e))?;
        let compiled = environment.add_template_owned(NAME, without_generation(&this.source));
        compiled.map_err(|e| this.explain(&e))?;
        this.environment = Arc::new(environment);
        this.takes_text = this.probe(ContentForm::Text);
        this.takes_parts = this.probe(ContentForm::Parts);
        Ok(this)
    }

    /// The source, as it was found.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The form in which this template takes `messages`.
    ///
    /// Parts where there are media and the template takes parts (processor templates), or where it
    /// takes nothing else; text otherwise.
    pub fn form_for(&self, messages: &[Message]) -> ContentForm {
        let media = messages.iter().flat_map(|m| &m.content).any(|p| !matches!(p, Part::Text(_)));
        if self.takes_parts && (media || !self.takes_text) {
            ContentForm::Parts
        } else {
            ContentForm::Text
        }
    }

    /// Renders a conversation; `tokenizer` gives `bos_token` and the other special tokens.
    ///
    /// # Errors
    /// The template raises an exception, fails, or runs out of its budget.
    pub fn render(
        &self,
        messages: &[Message],
        tokenizer: &Tokenizer,
        options: &RenderOptions,
    ) -> Result<String> {
        let form = options.form.unwrap_or_else(|| self.form_for(messages));
        let messages = to_value(messages, form, options.image, options.video);
        let special = tokenizer.special().texts();
        self.render_value(messages, &special, options.add_generation_prompt)
            .map_err(|e| self.explain(&e))
    }

    fn render_value(
        &self,
        messages: Value,
        special: &[(&str, &str)],
        add_generation_prompt: bool,
    ) -> std::result::Result<String, JinjaError> {
        let mut context = vec![
            ("messages", messages),
            ("tools", Value::from(())),
            ("documents", Value::from(())),
            ("add_generation_prompt", Value::from(add_generation_prompt)),
        ];
        context.extend(special.iter().map(|&(name, text)| (name, Value::from(text))));
        let (environment, context) = (self.environment.clone(), Value::from_pairs(context));
        let (send, receive) = mpsc::channel();
        let spawned = thread::Builder::new().stack_size(STACK).spawn(move || {
            let rendered = environment.get_template(NAME).and_then(|it| it.render(context));
            // Nobody waits for it any more if it took too long.
            let _ = send.send(rendered);
        });
        spawned.map_err(|e| budget::refuse(format!("no thread to render it: {e}")))?;
        receive.recv_timeout(self.patience).unwrap_or_else(|why| {
            Err(budget::refuse(match why {
                RecvTimeoutError::Timeout => {
                    format!("it did not finish within {:?}", self.patience)
                }
                RecvTimeoutError::Disconnected => "the engine failed".into(),
            }))
        })
    }

    /// Whether a user turn of this form comes through.
    fn probe(&self, form: ContentForm) -> bool {
        const WORD: &str = "zebra";
        let messages = [Message::text(Role::User, WORD)];
        let special = [("bos_token", ""), ("eos_token", "")];
        match self.render_value(to_value(&messages, form, "", ""), &special, false) {
            // A template for strings may print the list itself, as Python does.
            Ok(text) => text.contains(WORD) && !text.contains("'type': 'text'"),
            Err(_) => false,
        }
    }

    fn explain(&self, error: &JinjaError) -> Error {
        let mut reason = match error.kind() {
            ErrorKind::OutOfFuel => {
                format!("the chat template did not finish within its budget of {FUEL} steps")
            }
            _ => format!("chat template: {error}"),
        };
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            reason.push_str(&format!(": {inner}"));
            cause = inner.source();
        }
        Error::Config { path: self.origin.clone(), reason }
    }
}

impl std::fmt::Debug for ChatTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatTemplate")
            .field("origin", &self.origin)
            .field("takes_text", &self.takes_text)
            .field("takes_parts", &self.takes_parts)
            .finish_non_exhaustive()
    }
}

fn environment() -> std::result::Result<Environment<'static>, JinjaError> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?;
    environment.set_syntax(syntax);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_formatter(|out, state, value| {
        budget::walk(state, value)?;
        escape_formatter(out, state, value)
    });
    environment.set_unknown_method_callback(budget::method);
    environment.add_filter("tojson", pyjson::tojson);
    environment.add_test("sequence", is_sequence);
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", strftime_now);
    Ok(environment)
}

/// Python's sequences are whatever has a length and an index: strings and dictionaries too.
fn is_sequence(value: &Value) -> bool {
    use minijinja::value::ValueKind::{Map, Seq, String};
    matches!(value.kind(), Seq | Map | String)
}

fn raise_exception(state: &State, message: &Value) -> std::result::Result<Value, JinjaError> {
    budget::walk(state, message)?;
    Err(budget::refuse(message.to_string()))
}

fn strftime_now(state: &State, format: &str) -> std::result::Result<String, JinjaError> {
    use std::fmt::Write;
    // Two letters may stand for a whole date.
    state.consume_fuel(format.len() as u64)?;
    let mut out = String::new();
    write!(out, "{}", chrono::Local::now().format(format))
        .map_err(|_| budget::refuse(format!("strftime_now: bad format {format:?}")))?;
    Ok(out)
}

/// Turns `{% generation %}…{% endgeneration %}` into a block that always renders.
///
/// `transformers` adds the tag to mark assistant text; its rendering is its body. The tags' own
/// whitespace controls are kept.
fn without_generation(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let Some(length) = rest[start..].find("%}") else { break };
        let (head, tag) = (&rest[..start], &rest[start + 2..start + length]);
        out.push_str(head);
        let name = tag.trim_start_matches(['-', '+']).trim_end_matches(['-', '+']);
        let statement = match name.trim() {
            "generation" => Some("if true"),
            "endgeneration" => Some("endif"),
            _ => None,
        };
        out.push_str("{%");
        match statement {
            Some(statement) => out.push_str(&tag.replace(name.trim(), statement)),
            None => out.push_str(tag),
        }
        out.push_str("%}");
        rest = &rest[start + length + 2..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_nothing_counts_ends_in_time() {
        let double = "{% set b = b + b %}".repeat(50);
        let source = format!(
            "{{% if messages | length > 1 %}}{{% set b = [0] %}}{double}{{{{ b == b + [] }}}}\
             {{% endif %}}{{{{ messages[0].content }}}}"
        );
        let mut template = ChatTemplate::new(source, "hostile.jinja").unwrap();
        template.patience = Duration::from_millis(200);
        let render = |turns| {
            let messages = vec![Message::text(Role::User, "zebra"); turns];
            let messages = to_value(&messages, ContentForm::Text, "", "");
            template.render_value(messages, &[], false).map_err(|e| e.to_string())
        };
        assert_eq!(render(1).unwrap(), "zebra");
        let refused = render(2).unwrap_err();
        assert!(refused.contains("it did not finish within 200ms"), "{refused}");
    }

    #[test]
    fn generation_tags_become_plain_blocks() {
        assert_eq!(
            without_generation(
                "a{%- generation -%}{{ x }}{% endgeneration %}{% if y %}{% endif %}"
            ),
            "a{%- if true -%}{{ x }}{% endif %}{% if y %}{% endif %}"
        );
        assert_eq!(without_generation("plain {% open"), "plain {% open");
    }
}

//! Shows the stream of events to people: lines on stderr, and progress bars on a terminal.
//!
//! A `tracing` layer. It shows the events that `Console` sends, and the events of the program's crates that `-v` or
//! `ELT_LOG` selects. Knows how to show an event, but neither its sender nor its meaning.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer};

use super::events::{DIAGNOSTIC, FINISHED, LogFormat, SAID, SUMMARY};
use super::{Line, Stage, Status};
use elt_base::diagnostic::{self, harmless, shortened};
use elt_base::error::Error;
use elt_base::numbers::{counted, thousands};

/// The width of a name and its amount together, in columns. A long name uses the space before a short amount.
const NAME_AND_AMOUNT: usize = 48;
/// The width on a terminal narrower than `NARROW`, so that the note has space.
const NAME_AND_AMOUNT_NARROW: usize = 44;
const NARROW: usize = 100;
/// A smaller reported width of a terminal is ignored.
const WIDTH_MIN: usize = 40;
/// The largest length of a detail line with its fields, in a pipe, in characters.
const DETAIL_CHARACTERS_MAX: usize = 1_000;

/// The only writer to stderr. Shared by all threads of a run.
pub struct Screen {
    format: LogFormat,
    color: bool,
    quiet: bool,
    bars: Option<MultiProgress>,
    /// The width of the terminal, in columns; None in a pipe, where nothing is cut or wrapped.
    width: Option<usize>,
    out: Mutex<std::io::Stderr>,
}

/// The screen as a `tracing` layer.
pub(super) struct ScreenLayer {
    pub screen: Arc<Screen>,
    /// The events of ordinary code to show too.
    pub details: Targets,
}

impl<S: Subscriber> Layer<S> for ScreenLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let (target, level) = (event.metadata().target(), event.metadata().level());
        let screen = &self.screen;
        if target == DIAGNOSTIC {
            return event.record(&mut Diagnosis { screen, level });
        }
        let is_detail = ![FINISHED, SAID, SUMMARY].contains(&target);
        if is_detail && !self.details.would_enable(target, level) {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        match target {
            FINISHED => screen.line(&fields.line()),
            SAID => screen.say(&harmless(fields.text("message"))),
            SUMMARY => screen.summary(fields.text("message"), fields.object("totals")),
            _ => screen.detail(level, target, fields.0),
        }
    }
}

/// Shows the error of an event with its places, causes and hints, which do not fit into a plain field.
struct Diagnosis<'a> {
    screen: &'a Screen,
    level: &'a Level,
}

impl Visit for Diagnosis<'_> {
    fn record_error(&mut self, _: &Field, value: &(dyn std::error::Error + 'static)) {
        if let Some(error) = value.downcast_ref::<Error>() {
            self.screen.diagnostic(error, self.level);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

/// The fields of one event.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn object(&self, name: &str) -> Map<String, Value> {
        serde_json::from_str(self.text(name)).unwrap_or_default()
    }

    fn line(&self) -> Line {
        let amount = self.0.get("amount").and_then(Value::as_u64);
        Line {
            stage: Stage::named(self.text("stage")),
            name: self.text("name").to_owned(),
            status: Status::named(self.text("status")),
            amount: amount.map(|amount| (amount, self.text("unit").to_owned())),
            seconds: self.0.get("seconds").and_then(Value::as_f64).unwrap_or(0.0),
            note: self.text("note").to_owned(),
        }
    }

    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

impl Screen {
    pub(super) fn new(format: LogFormat, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let color = terminal && format == LogFormat::Text && std::env::var_os("NO_COLOR").is_none();
        let bars = (terminal && format == LogFormat::Text && !quiet)
            .then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)));
        let width = comfy_table::Table::new().use_stderr().width().map(usize::from).filter(|width| *width >= WIDTH_MIN);
        Self { format, color, quiet, bars, width, out: Mutex::new(std::io::stderr()) }
    }

    /// A bar for work in progress, on a terminal. `total` is the expected number of `unit`, if known.
    pub(super) fn bar(&self, stage: Stage, name: &str, unit: &str, total: Option<u64>) -> Option<ProgressBar> {
        self.bars.as_ref().map(|bars| {
            let bar = bars.add(match total.filter(|total| *total > 0) {
                Some(total) => ProgressBar::new(total),
                None => ProgressBar::no_length(),
            });
            let unit = unit.to_owned();
            // As long as nothing is counted, the elapsed time shows that the work continues.
            let so_far = move |state: &ProgressState, out: &mut dyn fmt::Write| {
                let _ = match (state.pos(), state.len()) {
                    (0, _) => write!(out, "{:>7.1}s", state.elapsed().as_secs_f64()),
                    (done, None) => write!(out, "{}  {}/s", counted(done, &unit), thousands(state.per_sec() as u64)),
                    (done, Some(all)) => write!(
                        out,
                        "{} of {} {unit}  {}/s",
                        thousands(done),
                        thousands(all.max(done)),
                        thousands(state.per_sec() as u64)
                    ),
                };
            };
            let bar_shown = if bar.length().is_some() { " {bar:16}" } else { "" };
            let template = format!("{{spinner}} {{prefix:8}} {{msg:34}}{bar_shown} {{so_far}}");
            if let Ok(style) = ProgressStyle::with_template(&template) {
                bar.set_style(style.with_key("so_far", so_far));
            }
            bar.set_prefix(stage.name());
            bar.set_message(harmless(name).into_owned());
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        })
    }

    /// Shows a finished piece of work.
    fn line(&self, line: &Line) {
        if self.format == LogFormat::Json {
            let mut object = Map::new();
            object.insert("event".into(), line.stage.name().into());
            object.insert("name".into(), line.name.clone().into());
            object.insert("status".into(), line.status.name().into());
            if let Some((amount, unit)) = &line.amount {
                object.insert(unit.clone(), (*amount).into());
            }
            object.insert("seconds".into(), json!((line.seconds * 1e6).round() / 1e6));
            if !line.note.is_empty() {
                object.insert("note".into(), line.note.clone().into());
            }
            return self.json(if line.status.is_failure() { "error" } else { "info" }, object);
        }
        if self.quiet && !line.status.is_failure() {
            return;
        }
        self.text(&self.text_line(line));
    }

    fn text_line(&self, line: &Line) -> String {
        let status = match line.status {
            Status::Success | Status::Pass => String::new(),
            status => status.name().to_uppercase(),
        };
        let amount = match &line.amount {
            // `0 failures` of a test that passed adds no information.
            Some((0, _)) if line.stage == Stage::Test => String::new(),
            Some((amount, unit)) => counted(*amount, unit),
            None => String::new(),
        };
        let rate = match &line.amount {
            Some((amount, _)) if line.seconds > 0.0 && line.stage == Stage::Extract && *amount > 0 => {
                format!("{}/s", thousands((*amount as f64 / line.seconds) as u64))
            }
            _ => String::new(),
        };
        let room =
            if self.width.is_some_and(|width| width < NARROW) { NAME_AND_AMOUNT_NARROW } else { NAME_AND_AMOUNT };
        let name = harmless(&line.name).replace('\n', "\\n");
        let text = |parts: &[&str]| {
            let note: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
            let columns = name_and_amount(&name, &amount, room);
            let text = format!("  {:<8} {columns} {:>7.2}s  {}", line.stage, line.seconds, harmless(&note.join(", ")));
            text.trim_end().to_owned()
        };
        let mut shown = text(&[&status, &rate, &line.note]);
        if let Some(width) = self.width.filter(|width| !line.status.is_failure() && shown.chars().count() > *width) {
            shown = cut(&text(&[&status, &line.note]), width);
        }
        let color = match line.status {
            Status::Fail | Status::PartialSuccess | Status::Error => "31",
            Status::Warn => "33",
            Status::Skipped => "2",
            Status::Success | Status::Pass => "",
        };
        if self.color && !color.is_empty() { format!("\u{1b}[{color}m{shown}\u{1b}[0m") } else { shown }
    }

    /// A sentence for people; in JSON an object with `message`.
    fn say(&self, text: &str) {
        if self.format == LogFormat::Json {
            let mut object = Map::new();
            object.insert("event".into(), "message".into());
            object.insert("message".into(), text.into());
            return self.json("info", object);
        }
        if !self.quiet {
            self.sentence(text);
        }
    }

    fn diagnostic(&self, error: &Error, level: &Level) {
        let render = if *level == Level::ERROR { diagnostic::render } else { diagnostic::render_warning };
        if self.format == LogFormat::Text {
            return self.text(render(error, self.color).trim_end_matches('\n'));
        }
        let level = if *level == Level::ERROR { "error" } else { "warning" };
        for error in error.iter() {
            let mut object = Map::new();
            object.insert("event".into(), "diagnostic".into());
            object.insert("message".into(), shortened(error.message()).into());
            if let Some(place) = error.places().first() {
                let before = &place.source.text[..place.span.start.min(place.source.text.len())];
                let line_start = before.rfind('\n').map_or(0, |at| at + 1);
                object.insert("file".into(), place.source.path.to_string_lossy().into());
                object.insert("line".into(), (before.matches('\n').count() + 1).into());
                object.insert("column".into(), (before[line_start..].chars().count() + 1).into());
            }
            if let Some(picture) = error.shown_picture() {
                object.insert("picture".into(), picture.into());
            }
            for (name, texts) in [("caused_by", error.causes()), ("hints", error.hints())] {
                if !texts.is_empty() {
                    let texts: Vec<_> = texts.iter().map(|text| shortened(text).into_owned()).collect();
                    object.insert(name.into(), texts.into());
                }
            }
            self.json(level, object);
        }
    }

    /// Prints the summary that ends the run.
    fn summary(&self, text: &str, object: Map<String, Value>) {
        if self.format == LogFormat::Json {
            let mut all = Map::new();
            all.insert("event".into(), "summary".into());
            all.extend(object);
            return self.json("info", all);
        }
        self.sentence(text);
    }

    /// An event of ordinary code: its level, its origin, its message and its fields.
    fn detail(&self, level: &Level, target: &str, mut fields: Map<String, Value>) {
        let level = level.as_str().to_lowercase();
        if self.format == LogFormat::Json {
            let mut object = Map::new();
            object.insert("event".into(), "log".into());
            object.insert("target".into(), target.into());
            fields.remove("event");
            object.extend(fields);
            return self.json(&level, object);
        }
        let message = fields.remove("message");
        let mut shown =
            format!("  {level:<8} {target}: {}", message.as_ref().and_then(Value::as_str).unwrap_or_default());
        for (name, value) in &fields {
            shown.push_str(&format!(" {name}={value}"));
        }
        let shown = cut(&shown, self.width.unwrap_or(DETAIL_CHARACTERS_MAX));
        self.text(&if self.color { format!("\u{1b}[2m{shown}\u{1b}[0m") } else { shown });
    }

    fn sentence(&self, text: &str) {
        match self.width {
            Some(width) => self.text(&wrap(text, width)),
            None => self.text(text),
        }
    }

    fn json(&self, level: &str, object: Map<String, Value>) {
        let mut all = Map::new();
        let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        all.insert("time".into(), now.into());
        all.insert("level".into(), level.into());
        all.extend(object);
        self.text(&Value::Object(all).to_string());
    }

    fn text(&self, text: &str) {
        let write = || {
            let mut out = self.out.lock();
            // A closed stderr does not stop a run.
            let _ = writeln!(out, "{text}");
        };
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }
}

/// The name on the left and the amount on the right, with at least two columns between them. The width is `room`
/// columns if they fit.
fn name_and_amount(name: &str, amount: &str, room: usize) -> String {
    let gap = if amount.is_empty() { 0 } else { 2 };
    let room = room.saturating_sub(name.chars().count()).max(amount.chars().count() + gap);
    format!("{name}{amount:>room$}")
}

/// `text` in one line of a terminal. The artifacts contain the part that is cut off.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut shown: String = text.chars().take(width - 1).collect();
    shown.truncate(shown.trim_end().len());
    shown.push('…');
    shown
}

/// `text` in lines of a terminal, broken between words. Lines after the first are indented further.
fn wrap(text: &str, width: usize) -> String {
    const INDENT: &str = "  ";
    let mut shown = String::new();
    let mut column = 0;
    for (index, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        if column > INDENT.len() && column + 1 + length > width {
            shown.push('\n');
            shown.push_str(INDENT);
            column = INDENT.len();
        } else if index > 0 {
            shown.push(' ');
            column += 1;
        }
        shown.push_str(word);
        column += length;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{cut, name_and_amount, wrap};

    #[track_caller]
    fn check(shown: String, expected: &str) {
        assert_eq!(shown, expected);
    }

    #[test]
    fn columns_hold_long_names() {
        check(name_and_amount("loans", "744 rows", 48), &format!("loans{:>43}", "744 rows"));
        check(name_and_amount(&"x".repeat(38), "744 rows", 48), &format!("{}  744 rows", "x".repeat(38)));
        check(name_and_amount(&"x".repeat(60), "744 rows", 48), &format!("{}  744 rows", "x".repeat(60)));
        check(name_and_amount(&"x".repeat(48), "", 48), &"x".repeat(48));
    }

    #[test]
    fn lines_fit_a_terminal() {
        check(cut("  model  a  view, 3 tests", 80), "  model  a  view, 3 tests");
        check(cut("  model  a  view, 3 tests", 19), "  model  a  view,…");
        check(wrap("done in 1 s: 8 collections, 25 models", 20), "done in 1 s: 8\n  collections, 25\n  models");
        check(wrap("done", 40), "done");
        check(wrap("  note: the target stands elsewhere", 20), "  note: the target\n  stands elsewhere");
    }
}
